import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { directoryOf, parseLayout, parseOwnCgroups } from './layout.ts';
import { containerCgroupPaths } from './paths.ts';

const V1 = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
34 31 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/systemd/agent,name=systemd
`;
const V2 = '30 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n';
const HYBRID = `${V1}35 31 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n`;

describe('parseLayout()', () => {
  it('knows v1, v2, hybrid and none', () => {
    expect([V1, V2, HYBRID, '22 1 8:1 / / rw - ext4 /dev/sda1 rw\n'].map((text) => parseLayout(text).mode)).toEqual(['v1', 'v2', 'hybrid', 'none']);
  });

  it('finds the controllers of each hierarchy', () => {
    expect(parseLayout(V1).hierarchies).toEqual([
      { controllers: ['cpu', 'cpuacct'], mountpoint: '/sys/fs/cgroup/cpu,cpuacct', root: '/' },
      { controllers: ['memory'], mountpoint: '/sys/fs/cgroup/memory', root: '/' },
      { controllers: ['name=systemd'], mountpoint: '/sys/fs/cgroup/systemd', root: '/' },
    ]);
  });

  it('unescapes paths and takes the first mount of a hierarchy', () => {
    const text = '1 2 0:1 / /mnt/a\\040b rw - cgroup cgroup rw,memory\n2 2 0:1 / /other rw - cgroup cgroup rw,memory\n';
    expect(parseLayout(text).hierarchies).toEqual([{ controllers: ['memory'], mountpoint: '/mnt/a b', root: '/' }]);
  });

  it('never throws, whatever the text is', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom(' - cgroup', ' - cgroup2 ', '\n', '/', 'rw,cpu', '\\040')), { maxLength: 20 }), (parts) => {
      parseLayout(parts.join(''));
      parseOwnCgroups(parts.join(':'));
    }));
  });
});

describe('containerCgroupPaths()', () => {
  const own = parseOwnCgroups('5:cpu,cpuacct:/user\n4:memory:/deep/er\n1:name=systemd:/\n0::/session/scope\n');

  it('counts an absolute path from the root of each hierarchy', () => {
    expect(containerCgroupPaths(parseLayout(V1), own, '/docker/x', 'id')).toEqual({
      memory: '/sys/fs/cgroup/memory/docker/x',
      cpu: '/sys/fs/cgroup/cpu,cpuacct/docker/x',
      cpuacct: '/sys/fs/cgroup/cpu,cpuacct/docker/x',
      'name=systemd': '/sys/fs/cgroup/systemd/docker/x',
    });
  });

  it('counts a relative path, or the id, from the own cgroup', () => {
    expect(containerCgroupPaths(parseLayout(V1), own, 'sub', 'id')['memory']).toBe('/sys/fs/cgroup/memory/deep/er/sub');
    expect(containerCgroupPaths(parseLayout(V1), own, undefined, 'id')['cpu']).toBe('/sys/fs/cgroup/cpu,cpuacct/user/id');
  });

  it("counts from the parent of the own cgroup on v2, which may not hold processes beside children", () => {
    expect(containerCgroupPaths(parseLayout(V2), own, undefined, 'id')).toEqual({ '': '/sys/fs/cgroup/session/id' });
    expect(containerCgroupPaths(parseLayout(V2), own, '/a/b', 'id')).toEqual({ '': '/sys/fs/cgroup/a/b' });
  });

  it('never leads out of the hierarchy', () => {
    expect(containerCgroupPaths(parseLayout(V2), own, '/../../x', 'id')).toEqual({ '': '/sys/fs/cgroup/x' });
    expect(containerCgroupPaths(parseLayout(V1), own, '../../../../x', 'id')['memory']).toBe('/sys/fs/cgroup/memory/deep/er/x');
    expect(() => containerCgroupPaths(parseLayout(V1), own, '/a\0b', 'id')).toThrow('NUL');
  });
});

describe('directoryOf()', () => {
  it('takes the part of the tree into account that a mount shows', () => {
    expect(directoryOf({ mountpoint: '/m', root: '/docker/x' }, '/docker/x/y')).toBe('/m/y');
    expect(directoryOf({ mountpoint: '/m', root: '/docker/x' }, '/other')).toBe('/m/other');
  });
});
