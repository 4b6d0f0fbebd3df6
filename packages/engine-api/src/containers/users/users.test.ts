import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveUser } from './passwd.ts';

const files = { passwd: 'root:x:0:0:root:/root:/bin/sh\n# note\nu1:x:1000:1001::/home/u1:/bin/sh\n12:x:2000:2000::/:\nbroken\n', group: 'root:x:0:\nu1:x:1001:\nextra:x:50:other,u1\nwheel:x:51:u1\n' };

describe('resolveUser()', () => {
  it.each<[string, string[], object]>([
    ['', [], { uid: 0, gid: 0, additionalGids: [] }],
    ['u1', [], { uid: 1000, gid: 1001, additionalGids: [50, 51] }],
    ['1000', [], { uid: 1000, gid: 1001, additionalGids: [50, 51] }],
    ['u1:root', [], { uid: 1000, gid: 0, additionalGids: [] }],
    ['u1:77', ['extra', '99'], { uid: 1000, gid: 77, additionalGids: [50, 99] }],
    ['4242', [], { uid: 4242, gid: 0, additionalGids: [] }],
    ['12', [], { uid: 2000, gid: 2000, additionalGids: [] }],
  ])('%s with groups %j', (spec, groups, user) => expect(resolveUser(spec, groups, files)).toEqual(user));

  it.each([['nobody', 'unable to find user nobody: no matching entries in passwd file'], ['u1:none', 'unable to find group none: no matching entries in group file'], ['4294967295', 'uids and gids must be in range 0-2147483647']])('refuses %s', (spec, words) => {
    expect(() => resolveUser(spec, [], files)).toThrow(words);
  });

  it('takes a number without any account files', () => expect(resolveUser('5:6', [], { passwd: '', group: '' })).toEqual({ uid: 5, gid: 6, additionalGids: [] }));

  it('reads any account file without failing for root', () => {
    fc.assert(fc.property(fc.string(), fc.string(), (passwd, group) => {
      const user = resolveUser('0', [], { passwd, group });
      expect(user.uid).toBe(user.uid >>> 0);
    }));
  });
});
