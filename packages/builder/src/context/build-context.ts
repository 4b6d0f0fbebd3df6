import { createReadStream, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { applyLayer, decompress } from '@dray/oci-image';
import { parseDockerignore } from '../dockerignore.ts';
import { BuilderError } from '../errors.ts';
import { leavesRoot, scopedPath } from './scoped-path.ts';
import { sumArchive } from './tar-sum.ts';

/** The files a client sent. */
export interface BuildContext {
  /** The folder they are in. Nobody else may reach it. */
  readonly root: string;
  /** Checksums by path. */
  readonly sums: ReadonlyMap<string, string>;
}

/** A Dockerfile that was found in a context. */
export interface FoundDockerfile { readonly name: string; readonly source: string }

/** The name of a Dockerfile where the client gives none. */
export const DEFAULT_DOCKERFILE = 'Dockerfile';

/**
 * Unpacks a context: a tar, compressed or not. Links in it cannot lead out of the folder.
 *
 * @param archive a file, read twice
 * @throws OciImageError for what is no archive
 */
export async function unpackContext(archive: string, root: string, options: { readonly signal?: AbortSignal } = {}): Promise<BuildContext> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  const { signal } = options;
  await applyLayer({ source: archive, target: root, form: 'plain', isBase: true, whiteouts: 'keep', ...signal === undefined ? {} : { signal } });
  signal?.throwIfAborted();
  return { root, sums: await sumArchive(decompress(createReadStream(archive))) };
}

/**
 * Reads the Dockerfile; then takes it and `.dockerignore` out of the context where `.dockerignore` says so. (Whatever else that file leaves out, clients leave out.)
 *
 * @throws BuilderError `NO_DOCKERFILE`, `COPY_FAILED` for a path that leaves the context, `DOCKERFILE_SYNTAX` for an empty file
 */
export async function takeDockerfile(context: BuildContext, wanted: string): Promise<FoundDockerfile> {
  const name = wanted === '' ? DEFAULT_DOCKERFILE : wanted;
  if (leavesRoot(name)) throw new BuilderError('COPY_FAILED', `forbidden path outside the build context: ${name} ()`);
  const found = [name, ...wanted === '' ? [DEFAULT_DOCKERFILE.toLowerCase()] : []].map((relative) => ({ relative, ...scopedPath(context.root, relative) })).find(({ stat }) => stat?.isFile() === true);
  if (found === undefined) throw new BuilderError('NO_DOCKERFILE', `Cannot locate specified Dockerfile: ${name}`);
  const source = readFileSync(found.hostPath, 'utf8');
  if (source === '') throw new BuilderError('DOCKERFILE_SYNTAX', `the Dockerfile (${found.relative}) cannot be empty`);
  await removeIgnored(context, found.path);
  return { name: found.relative, source };
}

async function removeIgnored(context: BuildContext, dockerfile: string): Promise<void> {
  const file = scopedPath(context.root, '.dockerignore');
  if (file.stat?.isFile() !== true) return;
  const ignored = parseDockerignore(readFileSync(file.hostPath, 'utf8'));
  for (const path of ['.dockerignore', dockerfile]) if (ignored.ignores(path)) await rm(scopedPath(context.root, path).hostPath, { force: true });
}
