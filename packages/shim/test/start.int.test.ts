import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { unpackJson } from '@dray/containerd-api';
import { RuntimeInfo } from '@dray/containerd-api/types';
import { describe, expect, test } from 'vitest';
import { Harness, shimBinary, skipReason } from './harness.ts';

describe.skipIf(skipReason !== '')(`containerd-shim-dray-v2 start${skipReason}`, () => {
  test('answers a 1.x daemon with a plain address and nothing else, and every container of the namespace with the same', async () => {
    await using harness = await Harness.open();
    harness.makeBundle('c1', { args: ['true'] });
    harness.makeBundle('c2', { args: ['true'] });
    const first = (await harness.startCommand('c1')).toString();
    expect(first).toMatch(/^unix:\/\/\/run\/containerd\/s\/[0-9a-f]{64}$/);
    expect(readFileSync(path.join(harness.bundle('c1'), 'address'), 'utf8')).toBe(first);
    const socket = first.slice('unix://'.length);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    const [second, third] = await Promise.all([harness.startCommand('c2'), harness.startCommand('c1', harness.options().value)]);
    expect([second.toString(), third.toString()]).toEqual([first, first]);
    const task = await harness.dial(first);
    const { shimPid } = await task.connect({ id: 'nobody' });
    // Its own session, away from what started it; its name says what it is.
    expect(readFileSync(`/proc/${shimPid}/cmdline`, 'utf8').split('\0')[0]).toBe('containerd-shim-dray-v2');
    expect(readFileSync(`/proc/${shimPid}/stat`, 'utf8').split(' ')[5]).toBe(String(shimPid));
  });

  test('answers a 2.3 daemon with a BootstrapResult that announces what this shim can do', async () => {
    await using harness = await Harness.open();
    harness.makeBundle('c1', { args: ['true'] });
    const result = harness.decodeAnswer(await harness.startCommand('c1', harness.bootstrapParams('c1')));
    expect(result).toMatchObject({ version: 3, protocol: 'ttrpc', metadata: { 'io.dray.shim.readopt': 'true', 'io.dray.shim.shared': 'true' } });
    // Both versions of the service live on one address.
    expect((await (await harness.dialV3(result.address)).connect({ id: 'x' })).taskPid).toBe(0);
    expect((await (await harness.dial(result.address)).connect({ id: 'x' })).taskPid).toBe(0);
  });

  test('brings up one server when many starts come at once', async () => {
    await using harness = await Harness.open();
    const ids = ['a', 'b', 'c', 'd', 'e'];
    for (const id of ids) harness.makeBundle(id, { args: ['true'] });
    const answers = new Set((await Promise.all(ids.map((id) => harness.startCommand(id)))).map(String));
    expect(answers.size).toBe(1);
    const tasks = await Promise.all([...ids].map(() => harness.dial([...answers][0] ?? '')));
    expect(new Set(await Promise.all(tasks.map(async (task) => (await task.connect({ id: '' })).shimPid))).size).toBe(1);
  });

  test('gives a container whose annotation names another group a server of its own', async () => {
    await using harness = await Harness.open();
    harness.makeBundle('c1', { args: ['true'] });
    harness.makeBundle('c2', { args: ['true'], annotations: { 'io.containerd.runc.v2.group': 'mine' } });
    const [first, second] = [await harness.connect('c1'), await harness.connect('c2')];
    expect((await first.connect({ id: '' })).shimPid).not.toBe((await second.connect({ id: '' })).shimPid);
  });

  test('lets its socket and process go when containerd shuts down an empty shim, and stays while there is a container', async () => {
    await using harness = await Harness.open();
    harness.makeBundle('c1', { args: ['sleep', '100'] });
    const task = await harness.connect('c1');
    const { shimPid } = await task.connect({ id: '' });
    await task.create({ id: 'c1', bundle: harness.bundle('c1'), options: harness.options() });
    await task.shutdown({ id: 'c1' });
    expect((await task.connect({ id: 'c1' })).taskPid).toBeGreaterThan(1);
    await task.delete({ id: 'c1' });
    await task.shutdown({ id: 'c1' });
    while (existsSync(`/proc/${shimPid}`) && !readFileSync(`/proc/${shimPid}/stat`, 'utf8').includes(') Z ')) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(existsSync(readFileSync(path.join(harness.bundle('c1'), 'address'), 'utf8').slice('unix://'.length))).toBe(false);
  }, 20_000);

  test('refuses calls that make no sense with one line and status 1', () => {
    const run = (...args: string[]): [number | null, string, string] => {
      const { status, stdout, stderr } = spawnSync(shimBinary, args, { encoding: 'utf8', cwd: '/tmp' });
      return [status, stdout, stderr];
    };
    expect(run('-id', 'x', 'start')).toEqual([1, '', 'containerd-shim-dray-v2: shim namespace cannot be empty\n']);
    expect(run('-namespace', 'x', 'start')).toEqual([1, '', 'containerd-shim-dray-v2: shim id cannot be empty\n']);
    expect(run('-nonsense')).toEqual([1, '', 'containerd-shim-dray-v2: flag provided but not defined: -nonsense\n']);
    expect(run('-namespace', 'x', '-id', 'y', 'start')[2]).toMatch(/^containerd-shim-dray-v2: .*config\.json/);
    const info = RuntimeInfo.decode(spawnSync(shimBinary, ['-info'], { input: '' }).stdout);
    expect(info.name).toBe('io.containerd.dray.v2');
    expect(unpackJson(info.features ?? { typeUrl: '', value: new Uint8Array() })).toHaveProperty('ociVersionMin');
    expect(run('-v')[1]).toMatch(/^containerd-shim-dray-v2:\n  Version: {2}\d/);
  });
});
