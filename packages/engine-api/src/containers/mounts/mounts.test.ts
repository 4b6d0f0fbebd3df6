import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCreateBody } from '../create/body.ts';
import { collectMounts, parseVolumesFrom } from './collect.ts';
import { inspectMount, plainMount } from './mount-point.ts';
import { parseBind } from './parse-bind.ts';

const collect = (body: object, from: Parameters<typeof collectMounts>[2] = []) => {
  const { config, hostConfig } = parseCreateBody(body);
  return collectMounts(config, hostConfig, from);
};

describe('parseBind()', () => {
  it.each<[string, object]>([
    ['/a:/b', { Type: 'bind', Source: '/a', Destination: '/b', RW: true, Propagation: 'rprivate', createsSource: true }],
    ['/a/../c/:/b/./d/:ro,rslave', { Type: 'bind', Source: '/c', Destination: '/b/d', RW: false, Propagation: 'rslave', Mode: 'ro,rslave' }],
    ['vol:/b:nocopy', { Type: 'volume', Name: 'vol', Destination: '/b', isNoCopy: true, Driver: 'local' }],
    ['/b', { Type: 'volume', Name: '', Destination: '/b', isAnonymous: true }],
  ])('%s', (spec, mount) => expect(parseBind(spec, '')).toMatchObject(mount));

  it.each([
    ['', "invalid volume specification: ''"], ['a:/b:c:d', 'invalid volume specification'], [':/b', 'invalid volume specification'], ['/a:', 'invalid volume specification'], ['/a:/b:xx', 'invalid mode: xx'],
    ['/a:/b:ro,rw', 'invalid mode: ro,rw'], ['/a:b', "invalid mount path: 'b' mount path must be absolute"], ['/a:/', "destination can't be '/'"], ['x/y:/b', 'includes invalid characters for a local volume name'],
    ['vol:/b:shared', 'invalid mode: shared'], ['/a:/b:nocopy', 'invalid mode: nocopy'],
  ])('refuses %j', (spec, words) => expect(() => parseBind(spec, '')).toThrow(words));

  it('answers any text with an absolute destination or with a 400', () => {
    fc.assert(fc.property(fc.string(), (text) => {
      try {
        expect(parseBind(text, '').Destination).toMatch(/^\/./);
      } catch (err) {
        expect(err).toMatchObject({ kind: 'invalid_argument' });
      }
    }));
  });
});

describe('collectMounts()', () => {
  it('lets explicit mounts win over volumes-from, and those over the configuration', () => {
    const donor = [plainMount({ Type: 'volume', Name: 'given', Destination: '/a', origin: 'binds' }), plainMount({ Type: 'volume', Name: 'given2', Destination: '/b', origin: 'binds' })];
    const mounts = collect({ Volumes: { '/a': {}, '/c': {} }, HostConfig: { Binds: ['/x:/b'] } }, [{ mounts: donor, mode: 'ro' }]);
    expect(mounts.map((mount) => [mount.Destination, mount.origin, mount.RW])).toEqual([['/a', 'volumes-from', false], ['/c', 'config', true], ['/b', 'binds', true]]);
  });

  it('refuses two explicit mounts at one place', () => {
    expect(() => collect({ HostConfig: { Binds: ['/x:/b'], Tmpfs: { '/b': '' } } })).toThrow('Duplicate mount point: /b');
    expect(() => collect({ HostConfig: { Binds: ['/x:/b', '/y:/b/'] } })).toThrow('Duplicate mount point: /b');
  });

  it.each<[object, string]>([
    [{ Type: 'foo', Target: '/b' }, 'mount type unknown: "foo"'], [{ Type: 'bind', Source: '/a' }, 'field Target must not be empty'], [{ Type: 'bind', Source: 'a', Target: '/b' }, "invalid mount path: 'a' mount path must be absolute"],
    [{ Type: 'bind', Target: '/b' }, 'field Source must not be empty'], [{ Type: 'volume', Target: '/b', ReadOnly: true }, 'must not set ReadOnly mode when using anonymous volumes'],
    [{ Type: 'volume', Source: 'v', Target: '/b', BindOptions: {} }, 'field BindOptions must not be specified'], [{ Type: 'tmpfs', Source: 'x', Target: '/b' }, 'field Source must not be specified'],
    [{ Type: 'bind', Source: '/a', Target: '/b', BindOptions: { Propagation: 'x' } }, 'invalid propagation mode: x'], [{ Type: 'bind', Source: '/a', Target: '/' }, "destination can't be '/'"],
    [{ Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { Subpath: '../x' } }, 'subpath must be a relative path'],
  ])('refuses %j', (mount, words) => expect(() => collect({ HostConfig: { Mounts: [mount] } })).toThrow(words));

  it('reads tmpfs sizes and modes', () => {
    expect(collect({ HostConfig: { Mounts: [{ Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 5, Mode: 0o700, Options: [['noexec'], ['a', 'b']] } }] } })[0]?.tmpfsOptions).toEqual(['size=5', 'mode=700', 'noexec', 'a=b']);
  });

  it('does not show its own notes', () => {
    expect(inspectMount(parseBind('/a:/b:ro', ''))).toEqual({ Type: 'bind', Source: '/a', Destination: '/b', Mode: 'ro', RW: false, Propagation: 'rprivate' });
  });
});

describe('parseVolumesFrom()', () => {
  it('takes a mode', () => expect(parseVolumesFrom('web:ro')).toEqual({ container: 'web', mode: 'ro' }));
  it.each(['', ':ro', 'a:xx', 'a:ro:b'])('refuses %j', (text) => expect(() => parseVolumesFrom(text)).toThrow());
});
