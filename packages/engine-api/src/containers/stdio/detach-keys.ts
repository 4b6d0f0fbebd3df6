import { invalid } from '../../errors.ts';

/** What detaches a terminal unless the client says otherwise. */
export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

/** The bytes of a key sequence such as `ctrl-p,ctrl-q` or `ctrl-a,d`. @throws EngineApiError `invalid_argument` with Docker's words */
export function parseDetachKeys(keys: string): Buffer {
  return Buffer.concat(keys.split(',').map(parseKey));
}

function parseKey(key: string): Buffer {
  if (Buffer.byteLength(key) === 1) return Buffer.from(key);
  const match = /^ctrl-([a-zA-Z@[\\\]^_])$/.exec(key);
  if (!match?.[1]) throw invalid(`Invalid detach keys (${key}) provided`, 'INVALID_DETACH_KEYS');
  return Buffer.of(match[1].toUpperCase().charCodeAt(0) & 0x1f);
}

/** What is left of a piece of input once the detach sequence was looked for. */
export interface Scanned {
  /** Bytes that belong to the program. */
  readonly forward: Buffer;
  /** The sequence was completed; input after it is dropped. */
  readonly isDetached: boolean;
}

/** Finds a key sequence in input that arrives in pieces. Keys that begin the sequence are held back until it is certain that they do not complete it. */
export class DetachScanner {
  readonly #keys: Buffer;
  #matched = 0;

  constructor(keys: Buffer) {
    this.#keys = keys;
  }

  /** Looks at the next piece of input. */
  scan(input: Buffer): Scanned {
    if (this.#keys.length === 0) return { forward: input, isDetached: false };
    if (this.#matched === 0 && !input.includes(this.#keys[0] ?? 0)) return { forward: input, isDetached: false };
    const forward: number[] = [];
    for (const byte of input) {
      if (this.#accept(byte, forward)) return { forward: Buffer.from(forward), isDetached: true };
    }
    return { forward: Buffer.from(forward), isDetached: false };
  }

  #accept(byte: number, forward: number[]): boolean {
    if (byte === this.#keys[this.#matched]) {
      this.#matched++;
      return this.#matched === this.#keys.length;
    }
    for (let index = 0; index < this.#matched; index++) forward.push(this.#keys[index] ?? 0);
    this.#matched = 0;
    if (byte === this.#keys[0]) this.#matched = 1;
    else forward.push(byte);
    return this.#matched === this.#keys.length;
  }
}
