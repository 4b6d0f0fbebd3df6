/** The body of `POST /containers/{id}/exec`. */
import { flag, integer, list, nullable, object, text, textOrList, type Decoder } from '../create/decode.ts';

/** What a client asks to run. */
export interface ExecRequest {
  readonly Cmd: readonly string[];
  readonly User: string;
  readonly Privileged: boolean;
  readonly Tty: boolean;
  readonly ConsoleSize: readonly number[] | null;
  readonly AttachStdin: boolean;
  readonly AttachStdout: boolean;
  readonly AttachStderr: boolean;
  readonly DetachKeys: string;
  readonly Env: readonly string[];
  readonly WorkingDir: string;
}

const commands: Decoder<readonly string[]> = (value, path) => textOrList(value, path) ?? [];
const strings: Decoder<readonly string[]> = (value, path) => list(text)(value, path) ?? [];

/** Reads the body. @throws EngineApiError `invalid_argument` */
export const decodeExecRequest: Decoder<ExecRequest> = object<ExecRequest>({
  Cmd: commands, User: text, Privileged: flag, Tty: flag, ConsoleSize: nullable((value, path) => list(integer('uint', 0), '[2]uint')(value, path) ?? []),
  AttachStdin: flag, AttachStdout: flag, AttachStderr: flag, DetachKeys: text, Env: strings, WorkingDir: text,
}, 'container.ExecOptions');

/** The body of `POST /exec/{id}/start`. */
export interface ExecStartRequest {
  readonly Detach: boolean;
  readonly Tty: boolean;
  readonly ConsoleSize: readonly number[] | null;
}

/** Reads the body. @throws EngineApiError `invalid_argument` */
export const decodeExecStart: Decoder<ExecStartRequest> = object<ExecStartRequest>({
  Detach: flag, Tty: flag, ConsoleSize: nullable((value, path) => list(integer('uint', 0), '[2]uint')(value, path) ?? []),
}, 'container.ExecStartOptions');
