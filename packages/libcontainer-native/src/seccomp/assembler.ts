/** A position in a program that is being built, counted from the program's end. */
export type Label = number & { readonly __label: unique symbol };

const LD_W_ABS = 0x20;
const AND_K = 0x54;
const RET_K = 0x06;
const JA = 0x05;
/** The conditional jumps of classic BPF that compare the accumulator with a constant. */
export const JUMPS = { eq: 0x15, gt: 0x25, ge: 0x35, set: 0x45 } as const;
/** A conditional jump's offsets are one byte each. */
const JUMP_OFFSET_MAX = 255;
const INSTRUCTION_BYTES = 8;
/** `BPF_MAXINSNS`: the kernel refuses a longer program. */
export const PROGRAM_INSTRUCTIONS_MAX = 4096;

interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/**
 * Builds a classic BPF program from its end to its start, so that every jump's target is known when the jump is made and equal
 * tails are shared. Each method puts instructions in front and answers where control must go to reach them.
 */
export class Assembler {
  readonly #reversed: Instruction[] = [];
  readonly #known = new Map<string, Label>();
  /** The latest stand-in of a label that has gone out of reach. */
  readonly #copies = new Map<Label, Label>();

  /** The number of instructions so far. */
  get length(): number {
    return this.#reversed.length;
  }

  /** Returns `value` to the kernel. */
  ret(value: number): Label {
    return this.#shared(`r${value}`, () => this.#push(RET_K, 0, 0, value));
  }

  /** Loads the 32-bit word at `offset` of `struct seccomp_data`, goes on at `next`. */
  load(offset: number, next: Label): Label {
    return this.#before(LD_W_ABS, offset, next);
  }

  /** Masks the accumulator, goes on at `next`. */
  and(mask: number, next: Label): Label {
    return this.#before(AND_K, mask, next);
  }

  /** Compares the accumulator with `value`. */
  jump(kind: keyof typeof JUMPS, value: number, whenTrue: Label, whenFalse: Label): Label {
    if (whenTrue === whenFalse) return whenTrue;
    const code = JUMPS[kind];
    return this.#shared(`${code},${value},${whenTrue},${whenFalse}`, () => {
      // A far jump put in for one branch moves the other branch's target away by one.
      const nearFalse = this.#near(whenFalse, 1);
      const nearTrue = this.#near(whenTrue, 0);
      return this.#push(code, this.#distance(nearTrue), this.#distance(nearFalse), value);
    });
  }

  /** The whole program, which starts at `entry`, as the bytes of `struct sock_filter[]`. */
  finish(entry: Label): Uint8Array {
    const first = this.#reach(entry);
    const count = first as number;
    const bytes = new Uint8Array(count * INSTRUCTION_BYTES);
    const view = new DataView(bytes.buffer);
    for (let index = 0; index < count; index++) {
      const instruction = this.#reversed[count - 1 - index];
      if (instruction === undefined) throw new RangeError('a label points outside of its program');
      view.setUint16(index * INSTRUCTION_BYTES, instruction.code, true);
      view.setUint8(index * INSTRUCTION_BYTES + 2, instruction.jt);
      view.setUint8(index * INSTRUCTION_BYTES + 3, instruction.jf);
      view.setUint32(index * INSTRUCTION_BYTES + 4, instruction.k, true);
    }
    return bytes;
  }

  #before(code: number, k: number, next: Label): Label {
    return this.#shared(`${code},${k},${next}`, () => {
      this.#reach(next);
      return this.#push(code, 0, 0, k);
    });
  }

  /** Makes sure that the instruction put in front next falls through to `target`. */
  #reach(target: Label): Label {
    const distance = this.#distance(target);
    return distance === 0 ? target : this.#push(JA, 0, 0, distance);
  }

  /** A label equal to `target` that a conditional jump can reach after `pending` more instructions. */
  #near(target: Label, pending: number): Label {
    const latest = this.#copies.get(target) ?? target;
    if (this.#distance(latest) + pending <= JUMP_OFFSET_MAX) return latest;
    const original = this.#reversed[target - 1];
    const copy = original?.code === RET_K ? this.#push(RET_K, 0, 0, original.k) : this.#push(JA, 0, 0, this.#distance(target));
    this.#copies.set(target, copy);
    return copy;
  }

  #distance(target: Label): number {
    return this.#reversed.length - target;
  }

  #push(code: number, jt: number, jf: number, k: number): Label {
    this.#reversed.push({ code, jt, jf, k });
    return this.#reversed.length as Label;
  }

  #shared(key: string, make: () => Label): Label {
    let label = this.#known.get(key);
    if (label === undefined) {
      label = make();
      this.#known.set(key, label);
    }
    return label;
  }
}
