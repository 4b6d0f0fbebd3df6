import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CAPABILITIES, capabilityBit, capabilityNames, parseCapabilities } from './capabilities.ts';

describe('capabilities', () => {
  it('have the numbers of the kernel', () => {
    expect(['CAP_CHOWN', 'CAP_KILL', 'CAP_SYS_ADMIN', 'CAP_AUDIT_READ', 'CAP_CHECKPOINT_RESTORE'].map(capabilityBit)).toEqual([0, 5, 21, 37, 40]);
  });

  it('parse to a mask and report unknown names once', () => {
    expect(parseCapabilities(['CAP_KILL', 'CAP_FOO', 'CAP_CHOWN', 'CAP_FOO', 'kill'])).toEqual({ mask: 0x21n, unknown: ['CAP_FOO', 'kill'] });
  });

  it('come back from a mask by name', () => {
    fc.assert(fc.property(fc.uniqueArray(fc.constantFrom(...CAPABILITIES)), (names) => {
      expect(new Set(capabilityNames(parseCapabilities(names).mask))).toEqual(new Set(names));
    }));
  });
});
