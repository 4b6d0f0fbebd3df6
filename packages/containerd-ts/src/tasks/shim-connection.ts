import { TaskV2Definition, TaskV3Definition } from '@dray/containerd-api/task';
import { createTtrpcClient, isTtrpcError, TtrpcClient, type TtrpcServiceClient } from '@dray/ttrpc';
import { socketPathOf, type ShimAddress } from './bootstrap.ts';

/** The task service of a shim. */
export type TaskClient = TtrpcServiceClient<typeof TaskV3Definition>;

/** Milliseconds to connect to a shim and hear from it. */
const CONNECT_TIMEOUT_MS = 5000;

/** A connection to a shim. Several tasks share it when they live in one shim. */
export class ShimConnection {
  readonly address: ShimAddress;
  readonly task: TaskClient;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<unknown>;
  readonly #client: TtrpcClient;

  private constructor(address: ShimAddress, client: TtrpcClient, task: TaskClient) {
    this.address = address;
    this.task = task;
    this.#client = client;
    this.closed = client.closed;
  }

  /** Connects. A version-3 answer may come from a shim that speaks version 2 alone; a first call finds out. */
  static async open(address: ShimAddress, probeId: string): Promise<ShimConnection> {
    const client = await TtrpcClient.connect(socketPathOf(address.address), { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) });
    try {
      return new ShimConnection(address, client, await negotiate(client, address.version, probeId));
    } catch (error) {
      client.destroy();
      throw error;
    }
  }

  get isClosed(): boolean {
    return this.#client.isClosed;
  }

  close(): void {
    this.#client.destroy();
  }
}

/** Whether a call failed because the connection to the shim is gone. */
export function isConnectionLost(error: unknown): boolean {
  return isTtrpcError(error) && error.code === 'CLOSED';
}

async function negotiate(client: TtrpcClient, version: number, id: string): Promise<TaskClient> {
  const v2: TaskClient = createTtrpcClient(TaskV2Definition, client);
  if (version < 3) return v2;
  const v3 = createTtrpcClient(TaskV3Definition, client);
  try {
    await v3.connect({ id }, { timeoutMs: CONNECT_TIMEOUT_MS });
    return v3;
  } catch (error) {
    if (isTtrpcError(error) && error.kind === 'not_implemented') return v2;
    // Any other answer is an answer of the service.
    if (isTtrpcError(error) && error.code === 'REMOTE') return v3;
    throw error;
  }
}
