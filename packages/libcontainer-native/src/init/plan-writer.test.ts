import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlanWriter } from './plan-writer.ts';

describe('PlanWriter', () => {
  it('writes the same bytes wherever its buffer has to grow', () => {
    fc.assert(fc.property(fc.nat({ max: 9000 }), (padding) => {
      const writer = new PlanWriter();
      for (let index = 0; index < padding; index++) writer.u8(index & 0xff);
      writer.u16(0x1234);
      writer.u32(0xdeadbeef);
      writer.u64(0x1122334455667788n);
      writer.i64(-2n);
      const tail = Buffer.from(writer.finish()).subarray(-22);
      expect(tail.toString('hex')).toBe('3412efbeadde8877665544332211feffffffffffffff');
    }), { examples: [[4095], [4094], [4091], [4084], [8191]] });
  });
});
