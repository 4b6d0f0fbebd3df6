import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Config } from './config.ts';
import { claimSocketPath, restrictSocket, withPrivateUmask } from './socket.ts';

/** Milliseconds that calls under way get at the end before their connections are cut. */
const SHUTDOWN_GRACE_MS = 500;

/** Makes a gRPC server with containerd's limits. */
export function createGrpcServer(config: Config): Server {
  return new Server({
    'grpc.max_receive_message_length': config.grpc.receiveBytesMax,
    'grpc.max_send_message_length': config.grpc.sendBytesMax,
    // A local socket needs no compression, no reflection data and no tracing.
    'grpc.enable_channelz': 0,
    'grpc.max_concurrent_streams': 4096,
  });
}

/** Listens on the configured unix socket, which is the group's at most from the beginning. */
export async function listenGrpc(server: Server, config: Config): Promise<AsyncDisposable> {
  const { address } = config.grpc;
  await claimSocketPath(address);
  await withPrivateUmask(
    () =>
      new Promise<void>((resolve, reject) => {
        server.bindAsync(`unix://${address}`, ServerCredentials.createInsecure(), (error) => {
          if (error === null) resolve();
          else reject(error);
        });
      }),
  );
  await restrictSocket(config.grpc);
  return { [Symbol.asyncDispose]: () => shutDown(server) };
}

/** Lets short calls finish. Subscriptions and waits have no end of their own, so they are cut. */
async function shutDown(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, SHUTDOWN_GRACE_MS);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
