import { chmod, chown, mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { SocketConfig } from './config.ts';
import { ContainerdError, errnoCode } from './errors.ts';

/**
 * Makes room for a socket: creates its folder and removes what a daemon that was killed left.
 *
 * @throws ContainerdError `failed_precondition`, `ADDRESS_IN_USE` when somebody answers there
 */
export async function claimSocketPath(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o711 });
  if (await answers(path)) {
    throw new ContainerdError(`cannot listen on "${path}": address already in use`, { kind: 'failed_precondition', code: 'ADDRESS_IN_USE' });
  }
  await rm(path, { force: true });
}

/** Gives a socket its owner and mode 0660. */
export async function restrictSocket(socket: SocketConfig): Promise<void> {
  await chown(socket.address, socket.uid, socket.gid);
  await chmod(socket.address, 0o660);
}

/** Runs a function while new files are for their owner and group alone, so that a socket is never open to all, not even for a moment. */
export async function withPrivateUmask<T>(create: () => Promise<T>): Promise<T> {
  const before = process.umask(0o117);
  try {
    return await create();
  } finally {
    process.umask(before);
  }
}

async function answers(path: string): Promise<boolean> {
  return await new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const code = errnoCode(error);
      if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTSOCK') resolve(false);
      else reject(error);
    });
  });
}
