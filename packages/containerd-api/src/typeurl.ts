/** Packed messages. containerd names their types by the bare full name, without `type.googleapis.com/`. */
import type { Any } from './gen/google/protobuf/any.ts';
import { ContainerdApiError } from './errors.ts';

const URL_PREFIX = 'type.googleapis.com/';

/** Type URLs of values that are JSON documents instead of encoded messages. */
export const JSON_TYPE_URLS: Readonly<Record<'spec' | 'process' | 'linuxResources' | 'windowsResources' | 'features', string>> = {
  spec: 'types.containerd.io/opencontainers/runtime-spec/1/Spec',
  process: 'types.containerd.io/opencontainers/runtime-spec/1/Process',
  linuxResources: 'types.containerd.io/opencontainers/runtime-spec/1/LinuxResources',
  windowsResources: 'types.containerd.io/opencontainers/runtime-spec/1/WindowsResources',
  features: 'types.containerd.io/opencontainers/runtime-spec/1/features/Features',
};

/** What packing needs of a generated message type. */
export interface PackableType<Message, Partial = Message> {
  readonly $type: string;
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
  fromPartial(partial: Partial): Message;
}

/** The full name of the packed message, with the prefix that some writers add taken off. */
export function typeNameOf(any: Pick<Any, 'typeUrl'>): string {
  return any.typeUrl.startsWith(URL_PREFIX) ? any.typeUrl.slice(URL_PREFIX.length) : any.typeUrl;
}

/** Whether `any` holds a message of `type`. */
export function isAnyOf(type: { readonly $type: string }, any: Pick<Any, 'typeUrl'>): boolean {
  return typeNameOf(any) === type.$type;
}

/** Packs a message under its bare full name; fields left out take their zero value. */
export function packAny<Message, Partial>(type: PackableType<Message, Partial>, message: NoInfer<Partial>): Any {
  return { typeUrl: type.$type, value: type.encode(type.fromPartial(message)).finish() };
}

/**
 * Unpacks a message of a known type.
 * @throws ContainerdApiError invalid_argument, TYPE_MISMATCH or MALFORMED
 */
export function unpackAny<Message, Partial>(type: PackableType<Message, Partial>, any: Any): Message {
  if (!isAnyOf(type, any)) {
    throw new ContainerdApiError('invalid_argument', 'TYPE_MISMATCH', `cannot unpack "${any.typeUrl}", want "${type.$type}"`);
  }
  try {
    return type.decode(any.value);
  } catch (cause) {
    throw new ContainerdApiError('invalid_argument', 'MALFORMED', `cannot decode "${any.typeUrl}" of ${any.value.length} bytes`, { cause });
  }
}

/** Packs a JSON document, such as an OCI spec under `JSON_TYPE_URLS.spec`. */
export function packJson(typeUrl: string, document: unknown): Any {
  return { typeUrl, value: new TextEncoder().encode(JSON.stringify(document)) };
}

/**
 * Reads a packed JSON document. Its shape is for the caller to check.
 * @throws ContainerdApiError invalid_argument MALFORMED
 */
export function unpackJson(any: Any): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(any.value)) as unknown;
  } catch (cause) {
    throw new ContainerdApiError('invalid_argument', 'MALFORMED', `cannot parse the JSON of "${any.typeUrl}"`, { cause });
  }
}
