/** Why a process could not be started: the exit code and the answer that follow from the runtime's words. */
import { EngineApiError, errorKind, messageOf } from '../../errors.ts';

/** A failed start. */
export interface StartFailure {
  readonly exitCode: number;
  readonly error: EngineApiError;
}

const CANNOT_INVOKE = 126;
const NOT_FOUND = 127;
const UNKNOWN = 128;
const MOUNT_HINT =
  ': Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type';

/** Reads the runtime's words as Docker does. `prefix` says which call failed. */
export function startFailure(err: unknown, prefix: string): StartFailure {
  const text = `${prefix}${messageOf(err)}`;
  const has = (words: string): boolean => text.toLowerCase().includes(words);
  if (has('permission denied') || has('is a directory')) return badCommand(text, CANNOT_INVOKE, err);
  if (has('not a directory')) return badCommand(text + MOUNT_HINT, NOT_FOUND, err);
  if (has('executable file not found') || has('no such file or directory')) return badCommand(text, NOT_FOUND, err);
  const kind = errorKind(err) ?? 'unknown';
  return { exitCode: UNKNOWN, error: new EngineApiError(kind === 'not_found' || kind === 'already_exists' ? 'unknown' : kind, 'START_FAILED', text, { cause: err }) };
}

function badCommand(text: string, exitCode: number, cause: unknown): StartFailure {
  return { exitCode, error: new EngineApiError('invalid_argument', 'COMMAND_NOT_STARTED', text, { cause }) };
}
