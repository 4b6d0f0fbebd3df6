import { HealthCheckResponse_ServingStatus, type HealthServer } from '@dray/containerd-api/health';
import { serverStream, unary } from './call.ts';

const SERVING = { status: HealthCheckResponse_ServingStatus.SERVING };

/** `grpc.health.v1.Health`. The daemon serves from the moment its socket is there, so it is always healthy. */
export function createHealthService(): HealthServer {
  return {
    check: unary(() => SERVING),
    list: unary(() => ({ statuses: { '': SERVING } })),
    watch: serverStream(async function* (_, context) {
      yield SERVING;
      await new Promise<void>((resolve) => {
        context.signal.addEventListener('abort', () => {
          resolve();
        });
      });
    }),
  };
}
