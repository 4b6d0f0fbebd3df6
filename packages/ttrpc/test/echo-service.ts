/** A service with one method of each sort, in the shape of ts-proto's generic definitions. Its messages are JSON. */

/** What the tests send. */
export interface Note {
  text: string;
  count: number;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** A message type in the shape ts-proto gives it. */
export const Note: {
  encode(note: Note): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Note;
  fromPartial(partial: Partial<Note>): Note;
} = {
  encode: (note) => ({ finish: () => Buffer.from(JSON.stringify(note)) }),
  decode: (bytes) => JSON.parse(decoder.decode(bytes)) as Note,
  fromPartial: (partial) => ({ text: '', count: 0, ...partial }),
};

export const EchoDefinition = {
  fullName: 'dray.test.Echo',
  methods: {
    say: { name: 'Say', requestType: Note, requestStream: false, responseType: Note, responseStream: false },
    collect: { name: 'Collect', requestType: Note, requestStream: true, responseType: Note, responseStream: false },
    repeat: { name: 'Repeat', requestType: Note, requestStream: false, responseType: Note, responseStream: true },
    chat: { name: 'Chat', requestType: Note, requestStream: true, responseType: Note, responseStream: true },
  },
} as const;
