import { describe, expect, it } from 'vitest';
import { parseCommandLine } from './command-line.ts';
import { parseDaemonJson } from './daemon-json.ts';
import { type Settings, makeSettings, parseBytes } from './settings.ts';

function settings(args: string[], file = '{}'): Settings {
  const flags = parseCommandLine(args);
  return makeSettings(flags, parseDaemonJson(file, flags));
}

describe('makeSettings()', () => {
  it('fills in defaults', () => {
    const { config, hosts, tls, pidFile, logLevel } = settings([]);
    expect(config).toMatchObject({ dataRoot: '/var/lib/dray', execRoot: '/run/dray', snapshotter: 'overlayfs', defaultRuntime: 'dray', containerdNamespace: 'moby', containerdAddress: '/run/dray/containerd/containerd.sock', shmSizeBytes: 67_108_864, network: { bridge: 'dray0' } });
    expect({ hosts, tls, pidFile, logLevel }).toEqual({ hosts: [{ kind: 'unix', path: '/var/run/docker.sock' }], tls: undefined, pidFile: '/run/drayd.pid', logLevel: 'info' });
  });

  it('gives every data root a bridge and every exec root a pid file of its own', () => {
    const [a, b] = [settings(['--data-root', '/a', '--exec-root', '/a/exec']), settings(['--data-root', '/b'])];
    expect(a.config.network.bridge).toMatch(/^dray-[0-9a-f]{8}$/);
    expect(b.config.network.bridge).not.toBe(a.config.network.bridge);
    expect(a.pidFile).toBe('/a/exec/drayd.pid');
  });

  it('knows runtimes by binary and by shim', () => {
    const { config } = settings(['--add-runtime', 'crun=/usr/bin/crun', '--add-runtime', 'real=io.containerd.runc.v2', '--default-runtime', 'real']);
    expect(config.runtimes).toMatchObject({ dray: { shim: 'io.containerd.dray.v2' }, crun: { shim: 'io.containerd.dray.v2', binary: '/usr/bin/crun' }, real: { shim: 'io.containerd.runc.v2' } });
    expect(config.defaultRuntime).toBe('real');
    expect(settings([], '{"runtimes":{"gv":{"runtimeType":"io.containerd.runsc.v1"},"k":{"path":"/k","runtimeArgs":["--x"]}}}').config.runtimes).toMatchObject({ gv: { shim: 'io.containerd.runsc.v1' }, k: { binary: '/k', args: ['--x'] } });
    expect(() => settings(['--default-runtime', 'nope'])).toThrow("specified default runtime 'nope' does not exist");
  });

  it('asks for client certificates only with --tlsverify', () => {
    expect(settings(['--tls', '--tlscert', '/c', '--tlskey', '/k']).tls).toEqual({ certificate: '/c', key: '/k' });
    expect(settings(['--tlsverify', '--tlscacert', '/a', '--tlscert', '/c', '--tlskey', '/k']).tls).toEqual({ certificate: '/c', key: '/k', authority: '/a' });
  });

  it('refuses what it cannot do instead of ignoring it', () => {
    for (const args of [['--iptables=false'], ['--bridge', 'none'], ['--storage-driver', 'btrfs'], ['--log-driver', 'syslog'], ['-l', 'loud'], ['--exec-opt', 'x=y'], ['--max-concurrent-downloads', '0']]) expect(() => settings(args)).toThrow();
  });
});

describe('parseBytes()', () => {
  it('reads sizes in powers of 1024', () => {
    expect(['64m', '1.5GiB', '1024', '2k', '10 MB'].map(parseBytes)).toEqual([67_108_864, 1_610_612_736, 1024, 2048, 10_485_760]);
    expect(() => parseBytes('many')).toThrow("invalid size: 'many'");
  });
});
