import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { containerEnv, imageAnnotations, mergeEnv, resolveArgs, resolveProcess, resolveWorkingDir, withHome } from './process.ts';
import { resolveUser } from './user.ts';

const PASSWD = 'root:x:0:0:root:/root:/bin/sh\n# comment\nuser:x:1000:1001:User:/home/user:/bin/sh\n1000:x:0:0:trap:/:/bin/sh\n99999999999:x:0:0::/:/bin/sh\nbroken line\nhuge:x:4294967296:0::/:\n';
const GROUP = 'root:x:0:\nuser:x:1001:\nwheel:x:10:root,user\nvideo:x:44:user\n';
const files = async (path: string): Promise<Uint8Array | undefined> => await Promise.resolve({ '/etc/passwd': Buffer.from(PASSWD), '/etc/group': Buffer.from(GROUP) }[path]);
const noFiles = async (): Promise<undefined> => await Promise.resolve(undefined);

describe('resolveUser()', () => {
  test.each([
    ['', { uid: 0, gid: 0, additionalGids: [0, 10], home: '/root' }],
    ['user', { uid: 1000, gid: 1001, additionalGids: [1001, 10, 44], home: '/home/user' }],
    ['user:', { uid: 1000, gid: 1001, additionalGids: [1001, 10, 44] }],
    ['user:video', { uid: 1000, gid: 44, additionalGids: [44] }],
    ['user:77', { uid: 1000, gid: 77, additionalGids: [77] }],
    ['1:2', { uid: 1, gid: 2, additionalGids: [2], home: '/' }],
    ['01', { uid: 1, gid: 0 }],
    [':44', { uid: 0, gid: 44 }],
    ['2147483647', { uid: 2_147_483_647, gid: 0, home: '/' }],
  ])('resolves %j', async (text, expected) => {
    expect(await resolveUser(text, files)).toMatchObject(expected);
  });

  test('takes a number as a number, though an account has that name (CVE-2016-3697)', async () => {
    expect(await resolveUser('1000', files)).toMatchObject({ uid: 1000, gid: 1001, userName: 'user' });
  });

  test.each([
    ['2147483648', 'USER_INVALID'], ['4294967296', 'USER_INVALID'], ['99999999999', 'USER_INVALID'], ['0:4294967295', 'USER_INVALID'], ['1:2:3', 'USER_INVALID'], ['user\n', 'USER_INVALID'],
    ['nobody', 'USER_NOT_FOUND'], ['+1', 'USER_NOT_FOUND'], ['-1', 'USER_NOT_FOUND'], ['huge', 'USER_NOT_FOUND'], ['user:nogroup', 'USER_NOT_FOUND'],
  ])('refuses %j', async (text, code) => {
    await expect(resolveUser(text, files)).rejects.toMatchObject({ code });
  });

  test('words an unknown name as docker does', async () => {
    await expect(resolveUser('foo', noFiles)).rejects.toThrow('unable to find user foo: no matching entries in passwd file');
    await expect(resolveUser('0:foo', noFiles)).rejects.toThrow('unable to find group foo: no matching entries in group file');
  });

  test('needs no account files for numbers', async () => {
    expect(await resolveUser('5:6', noFiles, ['7', '6'])).toEqual({ uid: 5, gid: 6, additionalGids: [6, 7], home: '/' });
  });

  test('never yields an id out of range, whatever the files hold', async () => {
    const line = fc.array(fc.constantFrom('a', ':', '0', '9', '4294967296', '\n', '-', ' ', ','), { maxLength: 60 }).map((parts) => parts.join(''));
    await fc.assert(fc.asyncProperty(fc.string(), line, line, async (text, passwd, group) => {
      try {
        const user = await resolveUser(text, async (path) => await Promise.resolve(Buffer.from(path === '/etc/passwd' ? passwd : group)));
        for (const id of [user.uid, user.gid, ...user.additionalGids]) expect(id >= 0 && id <= 2_147_483_647 && Number.isInteger(id)).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ name: 'OciImageError' });
      }
    }), { numRuns: 500 });
  });
});

describe('resolveArgs()', () => {
  const image = { Entrypoint: ['entry'], Cmd: ['cmd'] };
  test.each([
    ['the image alone', {}, ['entry', 'cmd']],
    ['a command', { command: ['x', 'y'] }, ['entry', 'x', 'y']],
    ['an entrypoint, which drops the image command', { entrypoint: ['e'] }, ['e']],
    ['both', { entrypoint: ['e'], command: ['c'] }, ['e', 'c']],
    ['an empty entrypoint', { entrypoint: [''], command: ['c'] }, ['c']],
    ['shell strings', { entrypoint: 'echo $HOME' }, ['/bin/sh', '-c', 'echo $HOME']],
    ['an empty list, which sets nothing', { entrypoint: [], command: [] }, ['entry', 'cmd']],
  ])('joins %s', (_name, request, expected) => {
    expect(resolveArgs(image, request)).toEqual(expected);
  });

  test('says that there is nothing to run', () => {
    expect(() => resolveArgs({}, {})).toThrow(expect.objectContaining({ code: 'NO_COMMAND', message: 'no command specified' }));
    expect(() => resolveArgs(image, { entrypoint: [''] })).toThrow('no command specified');
  });
});

describe('environment', () => {
  test('lets the last value win at the first place, and a bare key remove', () => {
    expect(mergeEnv(['A=1', 'B=2', 'A=3'], ['B', 'C=4'])).toEqual(['A=3', 'C=4']);
  });

  test('takes nothing from this process for bare keys of an image (CVE-2026-57231)', () => {
    expect(containerEnv({ Env: ['HOME', '*', 'PATH', 'A=1'] }, {})).toEqual(['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'A=1']);
  });

  test('has PATH, HOSTNAME and TERM before the rest, and HOME from the account', () => {
    const env = containerEnv({ Env: ['PATH=/bin', 'X=image'] }, { env: ['X=mine'], hostname: 'h', hasTerminal: true });
    expect(env).toEqual(['PATH=/bin', 'HOSTNAME=h', 'TERM=xterm', 'X=mine']);
    expect(withHome(env, { home: '/root' })).toContain('HOME=/root');
    expect(withHome(['HOME=/x'], { home: '/root' })).toEqual(['HOME=/x']);
    expect(() => withHome([], { home: '/x\nroot2::0' })).toThrow(expect.objectContaining({ code: 'USER_INVALID' }));
  });

  test('has every key once', () => {
    const entry = fc.tuple(fc.constantFrom('A', 'B', 'C'), fc.option(fc.stringMatching(/^[a-z=]{0,4}$/))).map(([key, value]) => (value === null ? key : `${key}=${value}`));
    fc.assert(fc.property(fc.array(entry), fc.array(entry), (base, overrides) => {
      const keys = mergeEnv(base, overrides).map((text) => text.slice(0, text.indexOf('=')));
      expect(new Set(keys).size).toBe(keys.length);
    }));
  });
});

describe('conversion', () => {
  test.each([['', '/'], ['app', '/app'], ['/a/../../b/./c/', '/b/c'], ['../..', '/']])('makes %j the working directory %s', (workingDir, expected) => {
    expect(resolveWorkingDir({ WorkingDir: workingDir })).toBe(expected);
  });

  test('keeps labels out of the annotations by which runtimes take orders', () => {
    const labels = { 'org.systemd.property.X': 'y', 'containerd.io/restart.logpath': '/x', 'run.oci.handler': 'krun', 'bundle': '/', 'io.containerd.x': '1', 'mine': 'ok', 'org.opencontainers.image.author': 'label' };
    expect(imageAnnotations({ architecture: 'amd64', os: 'linux', author: 'config', config: { Labels: labels, StopSignal: 'SIGINT', ExposedPorts: { '80/tcp': {}, '53/udp': {} } }, rootfs: { type: 'layers', diff_ids: [] } })).toEqual({
      'org.opencontainers.image.os': 'linux', 'org.opencontainers.image.architecture': 'amd64', 'org.opencontainers.image.author': 'label', 'org.opencontainers.image.stopSignal': 'SIGINT',
      'org.opencontainers.image.exposedPorts': '53/udp,80/tcp', 'mine': 'ok',
    });
  });

  test('joins image and request to a process', async () => {
    const config = { architecture: 'amd64', os: 'linux', config: { User: 'user', Env: ['PATH=/bin'], Cmd: ['sh'], WorkingDir: 'w' }, rootfs: { type: 'layers' as const, diff_ids: [] } };
    expect(await resolveProcess(config, { command: ['id'] }, files)).toEqual({
      terminal: false, user: { uid: 1000, gid: 1001, additionalGids: [1001, 10, 44] }, args: ['id'], env: ['PATH=/bin', 'HOME=/home/user'], cwd: '/w',
    });
  });
});
