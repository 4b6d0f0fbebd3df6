import { ANY, type DeviceException, type DevicePolicy } from './device-rules.ts';

/** `struct bpf_cgroup_dev_ctx`: low half of the first word is the type, high half the access; then major and minor. */
const CTX_ACCESS_TYPE = 0;
const CTX_MAJOR = 4;
const CTX_MINOR = 8;
const TYPES = { b: 1, c: 2 } as const;
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const ACCESS_ALL = 7;

const INSTRUCTION_BYTES = 8;
const LDX_MEM_W = 0x61;
const MOV64_IMM = 0xb7;
const MOV32_REG = 0xbc;
const AND32_IMM = 0x54;
const RSH32_IMM = 0x74;
const JNE_IMM = 0x55;
const JEQ_IMM = 0x15;
const JNE_REG = 0x5d;
const EXIT = 0x95;
/** Registers: R1 is the context and later scratch, R2 type, R3 access, R4 major, R5 minor. */
const [R0, R1, R2, R3, R4, R5] = [0, 1, 2, 3, 4, 5];

interface Instruction {
  readonly code: number;
  readonly destination: number;
  readonly source?: number;
  readonly offset?: number;
  readonly immediate?: number;
}

/**
 * An eBPF program of type `BPF_PROG_TYPE_CGROUP_DEVICE` that answers 1 for the accesses that a policy permits, as the bytes of
 * `struct bpf_insn[]`. Its license must be given as "Apache" to the kernel; it calls no helper.
 */
export function deviceProgram(policy: DevicePolicy): Uint8Array {
  const instructions = [...prologue()];
  for (const exception of policy.exceptions) instructions.push(...exceptionBlock(exception, policy.allowByDefault ? 0 : 1));
  instructions.push(...answer(policy.allowByDefault ? 1 : 0));
  return encode(instructions);
}

function prologue(): Instruction[] {
  return [
    { code: LDX_MEM_W, destination: R2, source: R1, offset: CTX_ACCESS_TYPE },
    { code: AND32_IMM, destination: R2, immediate: 0xffff },
    { code: LDX_MEM_W, destination: R3, source: R1, offset: CTX_ACCESS_TYPE },
    { code: RSH32_IMM, destination: R3, immediate: 16 },
    { code: LDX_MEM_W, destination: R4, source: R1, offset: CTX_MAJOR },
    { code: LDX_MEM_W, destination: R5, source: R1, offset: CTX_MINOR },
  ];
}

/** Answers `value` if the access asked for lies within the exception; else goes on behind the block. */
function exceptionBlock(exception: DeviceException, value: number): Instruction[] {
  const block: Instruction[] = [{ code: JNE_IMM, destination: R2, immediate: TYPES[exception.type] }];
  const mask = [...exception.access].reduce((bits, letter) => bits | (ACCESS[letter] ?? 0), 0);
  if (mask !== ACCESS_ALL) {
    block.push(
      { code: MOV32_REG, destination: R1, source: R3 },
      { code: AND32_IMM, destination: R1, immediate: mask },
      // An exception from "deny" must cover all of the access, one from "allow" any of it.
      ...(value === 1 ? [{ code: JNE_REG, destination: R1, source: R3 }] : [{ code: JEQ_IMM, destination: R1, immediate: 0 }]),
    );
  }
  if (exception.major !== ANY) block.push({ code: JNE_IMM, destination: R4, immediate: exception.major });
  if (exception.minor !== ANY) block.push({ code: JNE_IMM, destination: R5, immediate: exception.minor });
  block.push(...answer(value));
  return block.map((instruction, index) => (isJump(instruction) ? { ...instruction, offset: block.length - index - 1 } : instruction));
}

function answer(value: number): Instruction[] {
  return [{ code: MOV64_IMM, destination: R0, immediate: value }, { code: EXIT, destination: 0 }];
}

function isJump(instruction: Instruction): boolean {
  return instruction.code === JNE_IMM || instruction.code === JNE_REG || instruction.code === JEQ_IMM;
}

function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  instructions.forEach(({ code, destination, source = 0, offset = 0, immediate = 0 }, index) => {
    const at = index * INSTRUCTION_BYTES;
    view.setUint8(at, code);
    view.setUint8(at + 1, destination | (source << 4));
    view.setInt16(at + 2, offset, true);
    view.setInt32(at + 4, immediate | 0, true);
  });
  return bytes;
}
