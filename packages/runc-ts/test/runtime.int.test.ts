import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeFd, getWindowSize, type Spawner, spawn, receiveConsole, unixListen, waitPid } from '@dray/libcontainer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRuntime, type Runtime, type Stdio } from '../src/index.ts';
import { createBundle, draft, missingForBundles, type SpecDraft, type TestBundle } from './support/bundle.ts';

const missing = missingForBundles();
const ID = 'dray-runtime-test';

describe.skipIf(missing !== undefined)(`createRuntime()${missing === undefined ? '' : ` (skipped: ${missing})`}`, { timeout: 30_000 }, () => {
  let bundle: TestBundle;
  let root: string;
  let runtime: Runtime;
  let warnings: string[];

  beforeEach(() => {
    bundle = createBundle();
    root = mkdtempSync(join(tmpdir(), 'runc-ts-root-'));
    warnings = [];
    runtime = createRuntime({ root, log: ({ message }) => warnings.push(message) });
  });

  afterEach(async () => {
    await runtime.delete(ID, { force: true });
    expect(readdirSync(root)).toEqual([]);
    expect(existsSync(`/sys/fs/cgroup/pids/${ID}`)).toBe(false);
    bundle[Symbol.dispose]();
    rmSync(root, { recursive: true });
  });

  it('takes a container from created through running to stopped', async () => {
    using files = outputFiles(bundle.directory);
    const { pid } = await runtime.create(ID, { bundle: bundle.directory, spec: program('echo hello; exit 3'), stdio: files.stdio });
    expect(runtime.state(ID)).toMatchObject({ ociVersion: '1.0.2-dev', id: ID, pid, status: 'created', bundle: bundle.directory, rootfs: bundle.rootfs });
    expect(files.read()).toBe('');
    await runtime.start(ID);
    expect(await waitPid(pid)).toEqual({ code: 3 });
    expect(runtime.state(ID)).toMatchObject({ status: 'stopped', pid: 0 });
    expect(files.read()).toBe('hello\n');
    await expect(runtime.start(ID)).rejects.toThrow('cannot start a container that has stopped');
    await expect(runtime.kill(ID, 15)).rejects.toMatchObject({ code: 'NOT_RUNNING', message: 'container not running' });
    await runtime.delete(ID);
    expect(() => runtime.state(ID)).toThrow(expect.objectContaining({ kind: 'not_found', message: 'container does not exist' }));
  });

  it('lays its state out as runc does', async () => {
    await runtime.create(ID, { bundle: bundle.directory, spec: program('sleep 60') });
    const directory = join(root, ID);
    expect(statSync(directory).mode & 0o777).toBe(0o711);
    expect(statSync(join(directory, 'state.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'exec.fifo')).isFIFO()).toBe(true);
    const state = JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8')) as Record<string, unknown>;
    expect(Object.keys(state)).toEqual(expect.arrayContaining(['id', 'init_process_pid', 'init_process_start', 'created', 'config', 'rootless', 'cgroup_paths', 'namespace_paths', 'external_descriptors', 'intel_rdt_path']));
  });

  it('refuses an id twice, and a bad one', async () => {
    await runtime.create(ID, { bundle: bundle.directory, spec: program('sleep 60') });
    await expect(runtime.create(ID, { bundle: bundle.directory, spec: program('true') })).rejects.toMatchObject({ kind: 'already_exists', message: 'container with given ID already exists' });
    for (const id of ['.', '..', 'a/b', 'a b', 'ä', '../x']) await expect(runtime.create(id, { bundle: bundle.directory, spec: program('true') })).rejects.toMatchObject({ code: 'INVALID_ID' });
    expect(runtime.list()).toHaveLength(1);
  });

  it('writes the pid file whole before create resolves', async () => {
    const pidFile = join(bundle.directory, 'init.pid');
    const { pid } = await runtime.create(ID, { bundle: bundle.directory, spec: program('sleep 60'), pidFile });
    expect(readFileSync(pidFile, 'utf8')).toBe(String(pid));
  });

  it('executes further processes in the same namespaces and cgroups', async () => {
    const { pid } = await runtime.run(ID, { bundle: bundle.directory, spec: program('sleep 60') });
    using files = outputFiles(bundle.directory);
    const process = { ...draft().process, args: ['sh', '-c', 'readlink /proc/self/ns/net; readlink /proc/1/ns/net; cat /proc/self/cgroup; exit 4'] };
    const exec = await runtime.exec(ID, { process, stdio: files.stdio });
    expect(await waitPid(exec.pid)).toEqual({ code: 4 });
    const [own, init, ...cgroups] = files.read().trim().split('\n');
    expect(own).toBe(init);
    expect(cgroups.filter((line) => !line.startsWith('0::'))).not.toHaveLength(0);
    for (const line of cgroups.filter((each) => !each.startsWith('0::'))) expect(line).toMatch(new RegExp(`/${ID}$`));
    expect(runtime.ps(ID)).toEqual([pid]);
  });

  it('says what an exec cannot find', async () => {
    await runtime.run(ID, { bundle: bundle.directory, spec: program('sleep 60') });
    const exec = (args: string[]): Promise<unknown> => runtime.exec(ID, { process: { ...draft().process, args } });
    await expect(exec(['nowhere'])).rejects.toMatchObject({ code: 'EXEC_NOT_FOUND', message: 'unable to start container process: exec: "nowhere": executable file not found in $PATH' });
    await expect(exec(['/etc/passwd'])).rejects.toMatchObject({ code: 'EXEC_NOT_EXECUTABLE' });
    await expect(exec([])).rejects.toThrow('args must not be empty');
  });

  it('pauses and resumes', async () => {
    await runtime.run(ID, { bundle: bundle.directory, spec: program('sleep 60') });
    await runtime.pause(ID);
    expect(runtime.state(ID).status).toBe('paused');
    await expect(runtime.exec(ID, { process: { ...draft().process, args: ['true'] } })).rejects.toThrow('cannot exec in a paused container');
    await expect(runtime.delete(ID)).rejects.toThrow(`cannot delete container ${ID} that is not stopped: paused`);
    await runtime.resume(ID);
    expect(runtime.state(ID).status).toBe('running');
    await expect(runtime.resume(ID)).rejects.toThrow('container not paused');
  });

  it('kills a paused container', async () => {
    const { pid } = await runtime.run(ID, { bundle: bundle.directory, spec: program('sleep 60') });
    await runtime.pause(ID);
    await runtime.kill(ID, 9);
    expect(await waitPid(pid)).toEqual({ signal: 9 });
  });

  it('changes limits, keeps the others, and never the devices', async () => {
    const spec = program('sleep 60');
    spec.linux['resources'] = { memory: { limit: 64 << 20 }, pids: { limit: 10 }, devices: [{ allow: false, access: 'rwm' }] };
    await runtime.run(ID, { bundle: bundle.directory, spec });
    const devices = readFileSync(`/sys/fs/cgroup/devices/${ID}/devices.list`, 'utf8');
    runtime.update(ID, { pids: { limit: 20 }, cpu: { shares: 200 } });
    const { memory, pids } = runtime.stats(ID);
    expect(memory?.usage.limit).toBe(BigInt(64 << 20));
    expect(pids).toEqual({ current: 1, limit: 20 });
    expect(readFileSync(`/sys/fs/cgroup/cpu/${ID}/cpu.shares`, 'utf8').trim()).toBe('200');
    expect(readFileSync(`/sys/fs/cgroup/devices/${ID}/devices.list`, 'utf8')).toBe(devices);
  });

  it('runs with a limit of one process', async () => {
    const spec = program('exit 5');
    spec.linux['resources'] = { pids: { limit: 1 } };
    const { pid } = await runtime.run(ID, { bundle: bundle.directory, spec });
    expect(await waitPid(pid)).toEqual({ code: 5 });
  });

  it('starts in the smallest memory that Docker gives, and says when it is too little for anything', async () => {
    const spec = program('exit 6');
    spec.linux['resources'] = { memory: { limit: 6 << 20 } };
    const { pid } = await runtime.run(ID, { bundle: bundle.directory, spec });
    expect(await waitPid(pid)).toEqual({ code: 6 });
    await runtime.delete(ID);
    spec.linux['resources'] = { memory: { limit: 1000 } };
    await expect(runtime.create(ID, { bundle: bundle.directory, spec })).rejects.toMatchObject({ code: 'OOM_KILLED', message: 'unable to start container process: container init was OOM-killed (memory limit too low?)' });
  });

  it('runs hooks in their order, with the state on standard input', async () => {
    const log = join(bundle.directory, 'hooks.log');
    const hook = (name: string): object => ({ path: '/bin/sh', args: ['sh', '-c', `read -r s; echo "${name} $s" >> ${log}`], env: ['PATH=/bin:/usr/bin'] });
    const inside = (name: string): object => ({ path: '/bin/sh', args: ['sh', '-c', `read -r s; echo "${name} $s" >> /place/hooks.log`] });
    const spec = program('cat /place/hooks.log > /place/seen');
    spec.root['readonly'] = false;
    spec['hooks'] = { prestart: [hook('prestart')], createRuntime: [hook('createRuntime')], createContainer: [hook('createContainer')], startContainer: [inside('startContainer')], poststart: [hook('poststart')], poststop: [hook('poststop')] };
    spec['annotations'] = { 'org.example': 'yes' };
    const { pid } = await runtime.run(ID, { bundle: bundle.directory, spec });
    await waitPid(pid);
    await runtime.delete(ID);
    const lines = readFileSync(log, 'utf8').trim().split('\n').map((line) => ({ name: line.slice(0, line.indexOf(' ')), state: JSON.parse(line.slice(line.indexOf(' '))) as Record<string, unknown> }));
    expect(lines.map(({ name, state }) => [name, state['status']])).toEqual([['prestart', 'creating'], ['createRuntime', 'creating'], ['createContainer', 'creating'], ['poststart', 'running'], ['poststop', 'stopped']]);
    for (const { state } of lines) expect(state).toMatchObject({ ociVersion: '1.0.2-dev', id: ID, bundle: bundle.directory, annotations: { 'org.example': 'yes' } });
    expect(lines[0]?.state['pid']).toBe(pid);
    expect(lines[4]?.state).not.toHaveProperty('pid');
    const seen = readFileSync(join(bundle.rootfs, 'place', 'seen'), 'utf8');
    expect(seen).toMatch(/^startContainer \{.*"status":"created","pid":1,/);
  });

  it('kills the container when a poststart hook fails', async () => {
    const spec = program('sleep 60');
    spec['hooks'] = { poststart: [{ path: '/bin/false' }] };
    await runtime.create(ID, { bundle: bundle.directory, spec });
    await expect(runtime.start(ID)).rejects.toThrow('error running hook #0: error running hook: exit status 1, stdout: , stderr: ');
    expect(runtime.state(ID).status).toBe('stopped');
  });

  it("sends a terminal's master to the console socket", async () => {
    const socketPath = join(bundle.directory, 'console.sock');
    const listenFd = unixListen(socketPath);
    try {
      const spec = program('tty; stty size; sleep 60');
      Object.assign(spec.process, { terminal: true, consoleSize: { height: 12, width: 34 } });
      const received = receiveConsole(listenFd);
      const { pid } = await runtime.run(ID, { bundle: bundle.directory, spec, consoleSocket: socketPath });
      const { masterFd } = await received;
      try {
        expect(getWindowSize(masterFd)).toEqual({ rows: 12, columns: 34 });
        expect(pid).toBeGreaterThan(0);
      } finally {
        closeFd(masterFd);
      }
    } finally {
      closeFd(listenFd);
    }
  });

  it('refuses a terminal without a socket and a socket without a terminal', async () => {
    const spec = program('true');
    await expect(runtime.create(ID, { bundle: bundle.directory, spec, consoleSocket: '/x' })).rejects.toThrow('cannot use console socket if runc will not detach or allocate tty');
    spec.process['terminal'] = true;
    await expect(runtime.create(ID, { bundle: bundle.directory, spec })).rejects.toThrow('cannot allocate tty if runc will detach without setting console socket');
  });

  it('hands further descriptors to the process and no others', async () => {
    using files = outputFiles(bundle.directory);
    const extra = openSync(join(bundle.directory, 'extra'), 'w+');
    try {
      writeFileSync(extra, 'from outside');
      const { pid } = await runtime.run(ID, { bundle: bundle.directory, spec: program('ls /proc/self/fd | wc -l; cat /proc/self/fd/3'), stdio: files.stdio, preserveFds: [extra] });
      await waitPid(pid);
    } finally {
      closeSync(extra);
    }
    expect(files.read()).toBe('5\nfrom outside');
  });

  it('lets a spawner start the init, and knows its pid without waiting for it', async () => {
    const started: number[] = [];
    const spawner: Spawner = (command) => {
      const child = spawn(command);
      started.push(child.pid);
      closeFd(child.pidfd);
      return Promise.resolve({ pid: child.pid });
    };
    const { pid } = await runtime.create(ID, { bundle: bundle.directory, spec: program('sleep 60'), spawner });
    expect(started).toHaveLength(1);
    expect(pid).not.toBe(started[0]);
    await waitPid(started[0] ?? 0);
    await runtime.delete(ID, { force: true });
    expect(await waitPid(pid)).toEqual({ signal: 9 });
  });

  it('warns about unknown capabilities and goes on', async () => {
    const spec = program('true');
    spec.process['capabilities'] = { bounding: ['CAP_FOO', 'CAP_KILL'] };
    const { pid } = await runtime.run(ID, { bundle: bundle.directory, spec });
    expect(warnings).toEqual(['ignoring unknown or unavailable capabilities: [CAP_FOO]']);
    expect(await waitPid(pid)).toEqual({ code: 0 });
  });

  it('kills every process of a container that shares its pid namespace', async () => {
    const spec = program('sleep 60 & sleep 60 & wait');
    spec.linux.namespaces = [{ type: 'mount' }];
    delete spec['hostname'];
    const { pid } = await runtime.run(ID, { bundle: bundle.directory, spec });
    await expect.poll(() => runtime.ps(ID).length).toBe(3);
    await runtime.kill(ID, 9);
    await waitPid(pid);
    await expect.poll(() => runtime.ps(ID)).toEqual([]);
  });

  it('creates many containers at once', async () => {
    const ids = Array.from({ length: 20 }, (_none, index) => `${ID}-${index}`);
    const spec = program('sleep 60');
    try {
      const pids = await Promise.all(ids.map(async (id) => (await runtime.run(id, { bundle: bundle.directory, spec })).pid));
      expect(new Set(pids).size).toBe(ids.length);
      expect(runtime.list().map((each) => (each.kind === 'container' ? each.state.status : each.kind))).toEqual(ids.map(() => 'running'));
    } finally {
      await Promise.all(ids.map((id) => runtime.delete(id, { force: true })));
    }
  });

  it('forgives deleting a missing container by force alone', async () => {
    await expect(runtime.delete('nobody')).rejects.toMatchObject({ code: 'NO_CONTAINER' });
    await expect(runtime.delete('nobody', { force: true })).resolves.toBeUndefined();
  });

  it('leaves no descriptor open', async () => {
    const count = (): number => readdirSync('/proc/self/fd').length;
    const cycle = async (): Promise<void> => {
      const { pid } = await runtime.run(ID, { bundle: bundle.directory, spec: program('true') });
      await waitPid(pid);
      await runtime.delete(ID);
      await expect(runtime.create(ID, { bundle: bundle.directory, spec: program('true', ['nowhere']) })).rejects.toThrow();
    };
    await cycle();
    const before = count();
    for (let round = 0; round < 5; round++) await cycle();
    await expect.poll(count).toBe(before);
  });
});

function program(script: string, args: string[] = ['sh', '-c', script]): SpecDraft {
  const spec = draft();
  spec.process.args = args;
  return spec;
}

function outputFiles(directory: string): { readonly stdio: Stdio; read(): string } & Disposable {
  const path = join(directory, 'output');
  const [input, output] = [openSync('/dev/null', 'r'), openSync(path, 'w')];
  return {
    stdio: [input, output, output],
    read: () => readFileSync(path, 'utf8'),
    [Symbol.dispose]: () => {
      closeSync(input);
      closeSync(output);
    },
  };
}
