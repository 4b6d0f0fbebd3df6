/**
 * A shim v2 without containers: it keeps records of tasks in files, so that it can be killed and started again. It serves a whole namespace and says so, as
 * Dray's own shim does. Its folder is in FAKE_SHIM_FOLDER; each command it is run with is noted in `commands` there.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, openSync, readdirSync, readFileSync, rmSync, unlinkSync, watch, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { BootstrapResult } from '@dray/containerd-api/bootstrap';
import { DeleteResponse, TaskV3Definition } from '@dray/containerd-api/task';
import { TtrpcError, TtrpcServer } from '@dray/ttrpc';

interface Record {
  readonly status: 1 | 2 | 3;
  readonly exitStatus: number;
}

const folder = process.env['FAKE_SHIM_FOLDER'] ?? '';
const socket = join(folder, 'shim.sock');
const flags = process.argv.slice(2);
const action = flags.at(-1);
const id = flags[flags.indexOf('-id') + 1] ?? '';

const pathOf = (task: string): string => join(folder, `${task}.task`);
const write = (task: string, record: Record): void => {
  writeFileSync(pathOf(task), JSON.stringify(record));
};
const read = (task: string): Record => {
  if (!existsSync(pathOf(task))) throw new TtrpcError('not_found', 'container not created');
  return JSON.parse(readFileSync(pathOf(task), 'utf8')) as Record;
};
const isServed = (): Promise<boolean> =>
  new Promise((resolve) => {
    const client = connect(socket, () => {
      client.destroy();
      resolve(true);
    });
    client.on('error', () => {
      resolve(false);
    });
  });

if (action === 'start') await start();
else if (action === 'delete') remove();
else await serve();

async function start(): Promise<void> {
  appendFileSync(join(folder, 'commands'), `start ${id}\n`);
  if (existsSync(join(folder, 'broken'))) {
    process.stderr.write('this shim does not start\n');
    process.exit(1);
  }
  if (!(await isServed())) {
    rmSync(socket, { force: true });
    const nowhere = openSync('/dev/null', 'r+');
    spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', 'serve'], { detached: true, stdio: [nowhere, nowhere, nowhere] }).unref();
    while (!(await isServed())) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const metadata = { 'io.dray.shim.readopt': 'true', 'io.dray.shim.shared': 'true' };
  process.stdout.write(BootstrapResult.encode(BootstrapResult.fromPartial({ version: 3, address: `unix://${socket}`, protocol: 'ttrpc', metadata })).finish());
  process.exitCode = 0;
}

function remove(): void {
  appendFileSync(join(folder, 'commands'), `delete ${id}\n`);
  rmSync(pathOf(id), { force: true });
  process.stdout.write(DeleteResponse.encode(DeleteResponse.fromPartial({ pid: 1, exitStatus: 137 })).finish());
}

async function serve(): Promise<void> {
  writeFileSync(join(folder, 'pid'), String(process.pid));
  const server = new TtrpcServer();
  server.register(TaskV3Definition, {
    create: (request) => {
      write(request.id, { status: 1, exitStatus: 0 });
      return { pid: 4242 };
    },
    start: (request) => {
      write(request.id, { status: 2, exitStatus: 0 });
      return { pid: 4242 };
    },
    state: (request) => ({ id: request.id, pid: 4242, ...read(request.id) }),
    kill: (request) => {
      read(request.id);
      write(request.id, { status: 3, exitStatus: 128 + request.signal });
      return {};
    },
    wait: async (request) => {
      const watcher = watch(folder);
      const changes = new Promise<Record>((resolve) => {
        watcher.on('change', () => {
          const record = read(request.id);
          if (record.status === 3) resolve(record);
        });
      });
      const now = read(request.id);
      const { exitStatus } = now.status === 3 ? now : await changes;
      watcher.close();
      return { exitStatus };
    },
    delete: (request) => {
      const { status, exitStatus } = read(request.id);
      if (status === 2) throw new TtrpcError('failed_precondition', 'task must be stopped before deletion: running: failed precondition');
      unlinkSync(pathOf(request.id));
      return { pid: 4242, exitStatus };
    },
    connect: () => ({ shimPid: process.pid, taskPid: 4242 }),
    shutdown: () => {
      if (!readdirSync(folder).some((name) => name.endsWith('.task'))) setTimeout(() => process.exit(0), 10);
      return {};
    },
  });
  await server.listen({ path: socket });
}
