import net from 'node:net';
import { EngineError } from './errors.ts';
import type { Host } from './hosts.ts';

/** Refuses early what another daemon listens on, before anything is started. @throws EngineError ALREADY_RUNNING */
export async function checkSocketsFree(hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) {
    if (host.kind === 'unix' && await isListening(host.path)) {
      throw new EngineError('failed_precondition', 'ALREADY_RUNNING', `failed to load listeners: can't create unix socket ${host.path}: address already in use`);
    }
  }
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
