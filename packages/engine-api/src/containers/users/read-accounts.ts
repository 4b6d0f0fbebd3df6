/** Reads account files out of a root file system that may be hostile. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { resolveInRoot } from '../rootfs/resolve-in-root.ts';
import type { AccountFiles } from './passwd.ts';

/** More than this is no account file. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;

/** Both files; missing, odd or oversized ones read as empty. */
export async function readAccounts(root: string): Promise<AccountFiles> {
  const [passwd, group] = await Promise.all([readSmall(root, '/etc/passwd'), readSmall(root, '/etc/group')]);
  return { passwd, group };
}

async function readSmall(root: string, path: string): Promise<string> {
  const place = await resolveInRoot(root, path);
  if (!place.exists) return '';
  // Not blocking on a FIFO and not following a link that appeared since.
  const file = await open(place.hostPath, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const info = await file.stat();
    if (!info.isFile() || info.size > FILE_BYTES_MAX) return '';
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
