/** One system call as a filter sees it: `struct seccomp_data`. */
export interface SeccompData {
  readonly nr: number;
  readonly arch: number;
  readonly instructionPointer?: bigint;
  readonly args?: readonly bigint[];
}

const RET = 0x06;
const INSTRUCTION_BYTES = 8;

/**
 * Runs a classic BPF seccomp program in TypeScript and answers its return value. Only the instructions that seccomp filters use are
 * known; anything else, a jump out of the program included, throws.
 */
export function runSeccompProgram(program: Uint8Array, data: SeccompData): number {
  const input = encodeData(data);
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  let accumulator = 0;
  for (let index = 0; index * INSTRUCTION_BYTES < program.length; index++) {
    const at = index * INSTRUCTION_BYTES;
    const code = view.getUint16(at, true);
    const k = view.getUint32(at + 4, true);
    const branch = (taken: boolean): number => view.getUint8(at + (taken ? 2 : 3));
    switch (code) {
      case 0x20:
        accumulator = input.getUint32(k, true);
        break;
      case 0x54:
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x05:
        index += k;
        break;
      case 0x15:
        index += branch(accumulator === k);
        break;
      case 0x25:
        index += branch(accumulator > k);
        break;
      case 0x35:
        index += branch(accumulator >= k);
        break;
      case 0x45:
        index += branch((accumulator & k) !== 0);
        break;
      case RET:
        return k;
      default:
        throw new RangeError(`instruction ${index} has the unknown code 0x${code.toString(16)}`);
    }
  }
  throw new RangeError('the program ended without a return');
}

function encodeData(data: SeccompData): DataView {
  const view = new DataView(new ArrayBuffer(64));
  view.setUint32(0, data.nr, true);
  view.setUint32(4, data.arch, true);
  view.setBigUint64(8, data.instructionPointer ?? 0n, true);
  (data.args ?? []).forEach((value, index) => view.setBigUint64(16 + 8 * index, value, true));
  return view;
}
