/** The serving process: composition of the task service, the publisher and the socket it was given. */
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { TaskV2Definition, TaskV3Definition } from '@dray/containerd-api/task';
import { TtrpcServer } from '@dray/ttrpc';
import { groupOf, socketPath } from '../bootstrap/address.ts';
import { errorText } from '../errors.ts';
import { TtrpcPublisher } from '../events/publisher.ts';
import { createOciRuntime } from '../runtime/create-runtime.ts';
import { ShimLog } from '../shim-log.ts';
import { readTaskRecord } from '../state/task-record.ts';
import { TaskContainer, type ContainerHost } from '../task/task-container.ts';
import { TaskService } from '../task/task-service.ts';
import type { ShimFlags } from './flags.ts';

/** The listening socket that `start` hands over. */
const LISTENER_FD = 3;
/** A shim without containers stays so long for the next one; looked at as often while there are some. */
const IDLE_MS = 5000;
/** Events that are under way when the process ends get so long. */
const FLUSH_TIMEOUT_MS = 3000;

/** Serves until there is nothing to serve. Resolves when the socket accepts calls. */
export async function serve(flags: ShimFlags): Promise<void> {
  const socket = flags.socket === '' ? socketPath({ grpcAddress: flags.address, namespace: flags.namespace, group: groupOf(flags.bundle) }) : flags.socket;
  const log = new ShimLog(flags.isDebug);
  const publisher = new TtrpcPublisher({ address: process.env['TTRPC_ADDRESS'] ?? '', namespace: flags.namespace, onError: (message) => { log.error(message); } });
  const host: ContainerHost = {
    namespace: flags.namespace,
    group: groupOf(flags.bundle),
    socketFolder: path.dirname(socket),
    publisher,
    createRuntime: createOciRuntime,
    warn: (message, containerId) => { log.warn(message, service.containers.get(containerId)?.bundle); },
  };
  const server = new TtrpcServer();
  const end = async (): Promise<never> => {
    rmSync(socket, { force: true });
    await publisher.flush(FLUSH_TIMEOUT_MS);
    server.destroy();
    process.exit(0);
  };
  const idle = new IdleTimer({ isIdle: (wasToldToEnd) => service.isEmpty && (wasToldToEnd || server.connectionCount === 0), onIdle: () => { void end(); } });
  const service = new TaskService(host, { onShutdown: () => { idle.tellToEnd(); } });
  mkdirSync(host.socketFolder, { recursive: true, mode: 0o700 });
  await readoptAll(host, service, path.dirname(flags.bundle), log);
  server.register(TaskV2Definition, service.handlers());
  server.register(TaskV3Definition, service.handlers());
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => { void end(); });
  process.on('uncaughtException', (error) => {
    // Crash-only: the next process takes every container over.
    log.error(`uncaught: ${error.stack ?? error.message}`, flags.bundle);
    process.exit(1);
  });
  const listener = createServer((connection) => {
    idle.touch();
    server.serve(connection);
  });
  listener.listen({ fd: LISTENER_FD });
  await once(listener, 'listening');
}

/** Finds the group's containers by the records in the bundles beside the one this process was started for. */
async function readoptAll(host: ContainerHost, service: TaskService, folder: string, log: ShimLog): Promise<void> {
  for (const name of readdirSync(folder)) {
    const bundle = path.join(folder, name);
    try {
      const record = readTaskRecord(bundle);
      if (record?.namespace !== host.namespace || record.group !== host.group) continue;
      const container = await TaskContainer.readopt(host, bundle, record);
      if (container !== undefined) service.containers.set(record.id, container);
    } catch (error) {
      log.error(`cannot take container over: ${errorText(error)}`, bundle);
    }
  }
}

/**
 * Ends the process when it has had nothing to serve for a while. A connection, even one that only asks whether somebody is there, is a reason to
 * stay: a `start` command has just told containerd to come here.
 */
class IdleTimer {
  readonly #isIdle: (wasToldToEnd: boolean) => boolean;
  readonly #onIdle: () => void;
  readonly #timer: NodeJS.Timeout;
  #wasToldToEnd = false;

  constructor({ isIdle, onIdle }: { readonly isIdle: (wasToldToEnd: boolean) => boolean; readonly onIdle: () => void }) {
    this.#isIdle = isIdle;
    this.#onIdle = onIdle;
    this.#timer = setTimeout(() => { this.#look(); }, IDLE_MS);
  }

  /** Somebody was here. */
  touch(): void {
    this.#wasToldToEnd = false;
    this.#timer.refresh();
  }

  /** containerd has shut the shim down: open connections are no reason to stay any more. */
  tellToEnd(): void {
    this.#wasToldToEnd = true;
    this.#timer.refresh();
  }

  #look(): void {
    if (this.#isIdle(this.#wasToldToEnd)) this.#onIdle();
    else this.#timer.refresh();
  }
}
