import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCommand } from './cli.ts';
import { loadConfig, parseConfig, renderDefaultConfig } from './config.ts';
import { parseDurationMs } from './duration.ts';
import { isContainerdError } from './errors.ts';

describe('parseConfig()', () => {
  it('reads the file that dockerd writes', () => {
    const config = parseConfig(`version = 0
root = "/data/containerd/daemon"
state = "/exec/containerd/daemon"
plugin_dir = ""
disabled_plugins = ["cri"]
oom_score = 0
[grpc]
  address = "/exec/containerd/containerd.sock"
  uid = 0
  gid = 5
[ttrpc]
  address = ""
[debug]
  address = "/exec/containerd/debug.sock"
  level = "info"
[plugins]
  [plugins.linux]
    shim = "containerd-shim"`);
    expect(config).toMatchObject({
      root: '/data/containerd/daemon',
      state: '/exec/containerd/daemon',
      grpc: { address: '/exec/containerd/containerd.sock', gid: 5, receiveBytesMax: 16 * 1024 * 1024 },
      ttrpc: { address: '/exec/containerd/containerd.sock.ttrpc' },
      disabledPlugins: ['cri'],
      ignoredKeys: ['plugin_dir', 'oom_score', 'debug.address', 'plugins.linux'],
    });
  });

  it('lets the command line win', () => {
    expect(parseConfig('root = "/a"', { root: '/b', state: '/s', address: 'unix:///s.sock', logLevel: 'debug' })).toMatchObject({
      root: '/b',
      state: '/s',
      grpc: { address: '/s.sock' },
      logLevel: 'debug',
    });
  });

  it('reads what it prints as its default', () => {
    expect(parseConfig(renderDefaultConfig())).toEqual(parseConfig(''));
  });

  it.each([
    ['version = 4', 'version 4 is not supported, want at most 3'],
    ['root = 5', 'root must be a string'],
    ['root = "relative"', 'root "relative" must be an absolute path'],
    ['grpc = 1', 'grpc must be a table'],
    ['[grpc]\nuid = "x"', 'grpc.uid must be a number'],
    ['disabled_plugins = [1]', 'disabled_plugins must be a list of strings'],
    ['[debug]\nlevel = "loud"', 'not a valid log level: "loud"'],
    [`[grpc]\naddress = "/${'x'.repeat(107)}"`, 'is longer than 106 bytes'],
    ['[plugins."io.containerd.gc.v1.scheduler"]\nschedule_delay = "soon"', 'schedule_delay must be a duration'],
  ])('refuses %j', (text, message) => {
    expect(() => parseConfig(text)).toThrow(message);
  });

  it('answers any text with a configuration or an error, never with another fault', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseConfig(text);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});

describe('loadConfig()', () => {
  it('names a file that is missing', () => {
    expect(() => loadConfig('/no/such/file')).toThrow('cannot load config "/no/such/file": ENOENT');
  });
});

describe('parseCommand()', () => {
  it.each([
    [[], { name: 'serve', options: { config: undefined, root: undefined, state: undefined, address: undefined, logLevel: undefined } }],
    [['--config', '/c', '-a', '/s', '-log-level=debug'], { name: 'serve', options: { config: '/c', root: undefined, state: undefined, address: '/s', logLevel: 'debug' } }],
    [['config', 'default'], { name: 'config-default' }],
    [['--version'], { name: 'version' }],
    [['-v'], { name: 'version' }],
    [['-address', '/s', 'publish', '-topic', '/t', '--namespace', 'n'], { name: 'publish', address: '/s', topic: '/t', namespace: 'n' }],
  ])('understands %j', (args, command) => {
    expect(parseCommand(args)).toEqual(command);
  });

  it.each([[['--nope']], [['serve-me']], [['config']], [['--root']], [['-a', '/s', 'publish', '--topic', '/t']]])('refuses %j in one line', (args) => {
    expect(() => parseCommand(args)).toThrow(/^[^\n]+$/);
  });

  it('answers any words with a command or an invalid argument', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom('-a', '--root', 'publish', 'config', '-v', '--'))), (args) => {
        try {
          parseCommand(args);
        } catch (error) {
          expect(isContainerdError(error) && error.kind === 'invalid_argument').toBe(true);
        }
      }),
    );
  });
});

describe('parseDurationMs()', () => {
  it.each([['0', 0], ['100ms', 100], ['1m30s', 90_000], ['1.5h', 5_400_000], ['2us', 0.002], ['', undefined], ['5', undefined], ['-1s', undefined]])('reads %j', (text, expected) => {
    expect(parseDurationMs(text)).toBe(expected);
  });
});
