/** The few messages of the shim's task service that the tests against the originals need, without a package to generate them. */
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import type { TtrpcMessageType } from '../src/index.ts';

/** Fields by number: text, or a number. */
export type Fields = Readonly<Record<number, string | number>>;

interface FieldsType extends TtrpcMessageType {
  encode(message: Fields): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Fields;
  fromPartial(partial: Fields): Fields;
}

/** A message type that knows nothing but numbers, texts and (as text) nested messages. */
export const Fields: FieldsType = {
  encode(fields: Fields) {
    const writer = new BinaryWriter();
    for (const [number, value] of Object.entries(fields)) {
      if (typeof value === 'string') writer.tag(Number(number), 2).string(value);
      else writer.tag(Number(number), 0).uint32(value);
    }
    return writer;
  },
  decode(bytes: Uint8Array) {
    const reader = new BinaryReader(bytes);
    const fields: Record<number, string | number> = {};
    while (reader.pos < reader.len) {
      const [number, type] = reader.tag();
      fields[number] = type === 0 ? Number(reader.uint64()) : Buffer.from(reader.bytes()).toString('latin1');
    }
    return fields;
  },
  fromPartial: (partial: Fields) => partial,
};

function method<Name extends string>(name: Name): {
  readonly name: Name;
  readonly requestType: FieldsType;
  readonly requestStream: false;
  readonly responseType: FieldsType;
  readonly responseStream: false;
} {
  return { name, requestType: Fields, requestStream: false, responseType: Fields, responseStream: false };
}

export const TaskDefinition = {
  fullName: 'containerd.task.v2.Task',
  methods: { connect: method('Connect'), state: method('State'), wait: method('Wait'), kill: method('Kill'), delete: method('Delete'), shutdown: method('Shutdown') },
} as const;
