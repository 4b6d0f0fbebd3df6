import type { Architecture } from './architectures.ts';
import type { Assembler, Label } from './assembler.ts';

/** A condition on an argument after validation, with 64-bit operands. */
export interface Condition {
  readonly index: number;
  readonly op: string;
  readonly value: bigint;
  readonly valueTwo: bigint;
}

const ARGS_OFFSET = 16;
const LOW_WORD = 0xffff_ffffn;
const WORD_MASK_ALL = 0xffff_ffff;

interface Operand {
  readonly lowOffset: number;
  readonly highOffset: number;
  readonly low: number;
  readonly high: number;
  /** False on architectures whose arguments are one word. */
  readonly wide: boolean;
}

/**
 * Emits the test of one condition: control goes to `whenTrue` or `whenFalse`. Architectures of 32 bits compare the low word alone,
 * as libseccomp does.
 */
export function emitCondition(program: Assembler, condition: Condition, architecture: Architecture, whenTrue: Label, whenFalse: Label): Label {
  const operand = operandOf(condition, condition.value, architecture);
  switch (condition.op) {
    case 'SCMP_CMP_EQ':
      return emitEqual(program, operand, whenTrue, whenFalse);
    case 'SCMP_CMP_NE':
      return emitEqual(program, operand, whenFalse, whenTrue);
    case 'SCMP_CMP_GT':
      return emitOrder(program, 'gt', operand, whenTrue, whenFalse);
    case 'SCMP_CMP_GE':
      return emitOrder(program, 'ge', operand, whenTrue, whenFalse);
    case 'SCMP_CMP_LT':
      return emitOrder(program, 'ge', operand, whenFalse, whenTrue);
    case 'SCMP_CMP_LE':
      return emitOrder(program, 'gt', operand, whenFalse, whenTrue);
    default:
      return emitMasked(program, operandOf(condition, condition.valueTwo & condition.value, architecture), operand, whenTrue, whenFalse);
  }
}

/** A name for what a condition tests on an architecture: two conditions with one key are the same test. */
export function conditionKey(condition: Condition): string {
  return `${condition.index} ${condition.op} ${condition.value} ${condition.op === 'SCMP_CMP_MASKED_EQ' ? condition.valueTwo : 0n}`;
}

function operandOf(condition: Condition, value: bigint, architecture: Architecture): Operand {
  const lowOffset = ARGS_OFFSET + 8 * condition.index;
  return {
    lowOffset,
    highOffset: lowOffset + 4,
    low: Number(value & LOW_WORD),
    high: Number((value >> 32n) & LOW_WORD),
    wide: architecture.bits === 64,
  };
}

function emitEqual(program: Assembler, { lowOffset, highOffset, low, high, wide }: Operand, whenTrue: Label, whenFalse: Label): Label {
  const lowTest = program.load(lowOffset, program.jump('eq', low, whenTrue, whenFalse));
  return wide ? program.load(highOffset, program.jump('eq', high, lowTest, whenFalse)) : lowTest;
}

function emitOrder(program: Assembler, kind: 'gt' | 'ge', { lowOffset, highOffset, low, high, wide }: Operand, whenTrue: Label, whenFalse: Label): Label {
  const lowTest = program.load(lowOffset, program.jump(kind, low, whenTrue, whenFalse));
  if (!wide) return lowTest;
  return program.load(highOffset, program.jump('gt', high, whenTrue, program.jump('eq', high, lowTest, whenFalse)));
}

function emitMasked(program: Assembler, wanted: Operand, mask: Operand, whenTrue: Label, whenFalse: Label): Label {
  const lowTest = emitMaskedWord(program, wanted.lowOffset, mask.low, wanted.low, whenTrue, whenFalse);
  return wanted.wide ? emitMaskedWord(program, wanted.highOffset, mask.high, wanted.high, lowTest, whenFalse) : lowTest;
}

function emitMaskedWord(program: Assembler, offset: number, mask: number, wanted: number, whenTrue: Label, whenFalse: Label): Label {
  if (mask === 0) return whenTrue;
  const test = program.jump('eq', wanted, whenTrue, whenFalse);
  return program.load(offset, mask === WORD_MASK_ALL ? test : program.and(mask, test));
}
