import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ContainerdError, errorText } from '../errors.ts';

const run = promisify(execFile);

/**
 * Copies a tree with owners, modes, times, links, devices and extended attributes, sharing blocks where the file system can. Node's own `cp` knows
 * neither devices nor attributes, so this is coreutils'.
 *
 * @throws ContainerdError `unknown`, `COPY_FAILED`
 */
export async function copyTree(source: string, target: string): Promise<void> {
  try {
    await run('cp', ['--archive', '--reflink=auto', '--no-target-directory', '--', source, target]);
  } catch (error) {
    throw new ContainerdError(`cannot copy snapshot "${source}": ${errorText(error)}`, { kind: 'unknown', code: 'COPY_FAILED', cause: error });
  }
}
