import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NetworkController, type SandboxRequest } from '../src/index.ts';

const missing = process.getuid?.() !== 0 ? 'not root' : !fs.existsSync('/sbin/ip') ? 'iproute2 is not installed' : undefined;
const inside = (namespacePath: string | undefined, ...command: string[]): string => execFileSync('nsenter', [`--net=${namespacePath ?? ''}`, ...command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const request = (containerId: string, options: Partial<SandboxRequest> = {}): SandboxRequest => ({
  containerId, containerName: `name-${containerId}`, hostname: containerId.slice(0, 12), networks: [{ network: 'bridge', endpoint: {} }], ports: [], ...options,
});

describe.skipIf(missing !== undefined)(`NetworkController${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let folder = '';
  let controller: NetworkController;
  let linksBefore: string[] = [];
  const open = (): Promise<NetworkController> => NetworkController.open({
    stateFolder: path.join(folder, 'state'), runtimeFolder: path.join(folder, 'run'), bridge: { name: `drt${String(process.pid % 100000)}`, address: '10.212.7.1/24' }, poolSize: 1,
  });

  beforeEach(async () => {
    linksBefore = fs.readdirSync('/sys/class/net');
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-network-'));
    controller = await open();
  });
  afterEach(async () => {
    controller.removeIdleLinks();
    await controller[Symbol.asyncDispose]();
    expect(fs.readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder);
    expect(fs.readdirSync('/sys/class/net').filter((name) => !name.startsWith('veth'))).toEqual(linksBefore.filter((name) => !name.startsWith('veth')));
    fs.rmSync(folder, { recursive: true });
  });

  it('gives a container an address, a route and neighbours', async () => {
    const a = await controller.prepareSandbox(request('a'.repeat(64)));
    const b = await controller.prepareSandbox(request('b'.repeat(64)));
    expect(a.endpoints).toMatchObject([{ interfaceName: 'eth0', ipAddress: '10.212.7.2', ipPrefixLength: 24, gateway: '10.212.7.1', macAddress: '02:42:0a:d4:07:02' }]);
    expect(inside(a.namespacePath, 'ip', '-o', 'addr', 'show', 'eth0')).toContain('10.212.7.2/24');
    expect(inside(a.namespacePath, 'ip', 'route')).toContain('default via 10.212.7.1 dev eth0');
    expect(inside(a.namespacePath, 'ip', '-o', 'link', 'show', 'lo')).toContain('UP');
    inside(a.namespacePath, 'busybox', 'ping', '-c', '1', '-W', '5', b.endpoints[0]?.ipAddress ?? '');
    inside(a.namespacePath, 'busybox', 'ping', '-c', '1', '-W', '5', '10.212.7.1');
    expect(a.hosts).toContain('10.212.7.2\taaaaaaaaaaaa\n');
    for (const id of ['a', 'b']) await controller.releaseSandbox(id.repeat(64));
    expect(controller.sandbox('a'.repeat(64))).toBeUndefined();
  });

  it('publishes a port on loopback and on the host\'s addresses', async () => {
    const sandbox = await controller.prepareSandbox(request('c'.repeat(64), { ports: [{ containerPort: 80, protocol: 'tcp', hostPort: 0 }] }));
    const port = sandbox.ports[0]?.hostPort ?? 0;
    expect(port).toBeGreaterThan(0);
    const answer = path.join(folder, 'answer');
    fs.writeFileSync(answer, '#!/bin/sh\necho published\n', { mode: 0o755 });
    const { spawn } = await import('node:child_process');
    const server = spawn('nsenter', [`--net=${sandbox.namespacePath ?? ''}`, 'busybox', 'nc', '-ll', '-p', '80', '-e', answer], { stdio: 'ignore' });
    const ask = (host: string): Promise<string> => new Promise((resolve, reject) => {
      let text = '';
      net.connect(port, host).setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve(text)).on('error', reject);
    });
    const retry = async (host: string): Promise<string> => {
      for (let attempt = 0; attempt < 50; attempt++) {
        const text = await ask(host).catch(() => '');
        if (text !== '') return text;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return 'no answer';
    };
    expect(await retry('127.0.0.1')).toBe('published\n');
    expect(await retry('10.212.7.1')).toBe('published\n');
    await expect(controller.prepareSandbox(request('d'.repeat(64), { ports: [{ containerPort: 81, protocol: 'tcp', hostPort: port }] }))).rejects.toThrow('port is already allocated');
    expect(controller.sandbox('d'.repeat(64))).toBeUndefined();
    server.kill('SIGKILL');
    await controller.releaseSandbox('c'.repeat(64));
  });

  it('keeps networks apart, finds them by name and id, and refuses what Docker refuses', async () => {
    const first = controller.create({ name: 'first', labels: { a: 'b' } });
    const second = controller.create({ name: 'second', ipam: [{ subnet: '10.211.9.0/24' }] });
    expect(controller.get(first.id.slice(0, 8)).name).toBe('first');
    expect(second.ipam).toEqual([{ subnet: '10.211.9.0/24', gateway: '10.211.9.1' }]);
    expect(() => controller.create({ name: 'first' })).toThrow('network with name first already exists');
    expect(() => controller.create({ name: 'third', ipam: [{ subnet: '10.211.9.128/25' }] })).toThrow('Pool overlaps with other one on this address space');
    expect(() => controller.remove('bridge')).toThrow('bridge is a pre-defined network and cannot be removed');
    expect(() => controller.get('nothing')).toThrow('network nothing not found');
    const a = await controller.prepareSandbox(request('e'.repeat(64), { networks: [{ network: 'first', endpoint: { aliases: ['alias'] } }] }));
    const b = await controller.prepareSandbox(request('f'.repeat(64), { networks: [{ network: 'second', endpoint: { ipv4Address: '10.211.9.77' } }] }));
    expect(b.endpoints[0]?.ipAddress).toBe('10.211.9.77');
    expect(a.endpoints[0]?.dnsNames).toContain('alias');
    expect(() => inside(a.namespacePath, 'busybox', 'ping', '-c', '1', '-W', '1', '10.211.9.77')).toThrow();
    expect(() => controller.remove('first')).toThrow('has active endpoints');
    const both = controller.connect('e'.repeat(64), 'second', {});
    expect(both.endpoints.map(({ interfaceName }) => interfaceName)).toEqual(['eth0', 'eth1']);
    inside(a.namespacePath, 'busybox', 'ping', '-c', '1', '-W', '5', '10.211.9.77');
    expect(controller.disconnect('e'.repeat(64), 'second').endpoints).toHaveLength(1);
    for (const id of ['e', 'f']) await controller.releaseSandbox(id.repeat(64));
    controller.remove('first');
    controller.remove('second');
  });

  it('takes over what runs after a restart, and re-makes what was removed meanwhile', async () => {
    const before = await controller.prepareSandbox(request('1'.repeat(64), { ports: [{ containerPort: 80, protocol: 'tcp', hostPort: 0 }] }));
    await controller[Symbol.asyncDispose]();
    const table = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }).split('\n').find((line) => line.includes(' dray-'));
    expect(table).toBeDefined();
    controller = await open();
    expect(controller.sandbox('1'.repeat(64))).toEqual(before);
    expect((await controller.prepareSandbox(request('2'.repeat(64)))).endpoints[0]?.ipAddress).not.toBe(before.endpoints[0]?.ipAddress);
    inside(before.namespacePath, 'busybox', 'ping', '-c', '1', '-W', '5', '10.212.7.1');
    for (const id of ['1', '2']) await controller.releaseSandbox(id.repeat(64));
  });

  it('leaves nothing when a container asks for an address that is taken', async () => {
    const network = controller.create({ name: 'small', ipam: [{ subnet: '10.210.9.0/29' }] });
    await controller.prepareSandbox(request('3'.repeat(64), { networks: [{ network: 'small', endpoint: { ipv4Address: '10.210.9.5' } }] }));
    const count = fs.readdirSync(path.join(folder, 'run/netns')).length;
    await expect(controller.prepareSandbox(request('4'.repeat(64), { networks: [{ network: 'small', endpoint: { ipv4Address: '10.210.9.5' } }] }))).rejects.toThrow('Address already in use');
    expect(fs.readdirSync(path.join(folder, 'run/netns')).length).toBeLessThanOrEqual(count + 1);
    expect(controller.endpoints(network.id)).toHaveLength(1);
    await controller.releaseSandbox('3'.repeat(64));
    controller.remove('small');
  });
});
