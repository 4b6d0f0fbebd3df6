/** An access to a device as the kernel presents it to a device program. */
export interface DeviceAccess {
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
  /** Some of `rwm`. */
  readonly access: string;
}

const TYPES = { b: 1, c: 2 } as const;
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };

/** Runs a device program in TypeScript; instructions it does not use throw. */
export function runDeviceProgram(program: Uint8Array, { type, major, minor, access }: DeviceAccess): number {
  const context = [TYPES[type] | ([...access].reduce((bits, letter) => bits | (ACCESS[letter] ?? 0), 0) << 16), major, minor];
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const registers = new Array<number>(11).fill(0);
  for (let index = 0; index * 8 < program.length; index++) {
    const at = index * 8;
    const code = view.getUint8(at);
    const destination = view.getUint8(at + 1) & 0xf;
    const source = view.getUint8(at + 1) >> 4;
    const offset = view.getInt16(at + 2, true);
    const immediate = view.getInt32(at + 4, true);
    const value = registers[destination] ?? 0;
    switch (code) {
      case 0x61:
        registers[destination] = (context[offset / 4] ?? 0) >>> 0;
        break;
      case 0xb7:
        registers[destination] = immediate;
        break;
      case 0xbc:
        registers[destination] = registers[source] ?? 0;
        break;
      case 0x54:
        registers[destination] = (value & immediate) >>> 0;
        break;
      case 0x74:
        registers[destination] = value >>> immediate;
        break;
      case 0x55:
        if (value !== immediate) index += offset;
        break;
      case 0x15:
        if (value === immediate) index += offset;
        break;
      case 0x5d:
        if (value !== (registers[source] ?? 0)) index += offset;
        break;
      case 0x95:
        return registers[0] ?? 0;
      default:
        throw new RangeError(`instruction ${index} has the unknown code 0x${code.toString(16)}`);
    }
  }
  throw new RangeError('the program ended without an exit');
}
