import { type Digest, digestOf, isDigest } from '../digest.ts';
import { OciImageError } from '../errors.ts';
import type { Descriptor } from '../manifest.ts';
import { canonicalReference, type ImageReference } from '../reference.ts';
import { repositoryScope } from './authorizer.ts';
import type { RegistryClient } from './client.ts';
import type { RegistryConnection } from './connection.ts';
import { requestUrlOf } from './connection.ts';
import { Backoff, type RetryOptions } from './retry.ts';

/** How a blob came to be in a repository. */
export type PushedBlob = 'exists' | 'mounted' | 'pushed';

/** Options of {@link uploadBlob}. */
export interface UploadBlobOptions {
  /** Opens the content, from its beginning; called again when an upload must be repeated. */
  readonly open: () => AsyncIterable<Uint8Array>;
  /** Another repository of the same registry that may have the blob. */
  readonly mountFrom?: string;
  /** Told the bytes that are sent. */
  readonly onProgress?: (sent: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Uploads a blob as docker does: asks for it, tries to mount it, else one POST, one PATCH with all of it, and PUT with the digest. */
export async function uploadBlob(client: RegistryClient, retry: RetryOptions, reference: ImageReference, descriptor: Descriptor, options: UploadBlobOptions): Promise<PushedBlob> {
  const { signal } = options;
  if (await client.hasBlob(reference, descriptor.digest, { forPush: true, ...(signal === undefined ? {} : { signal }) })) return 'exists';
  const upload = new BlobUpload(client.connection(reference), reference, descriptor, options);
  const backoff = new Backoff(retry);
  for (;;) {
    try {
      return await upload.run();
    } catch (error) {
      signal?.throwIfAborted();
      await backoff.next(error, { signal });
    }
  }
}

/** Puts a manifest or index under a tag or its digest. @returns its digest */
export async function uploadManifest(connection: RegistryConnection, reference: ImageReference, manifest: { readonly bytes: Uint8Array; readonly mediaType: string }, signal?: AbortSignal): Promise<Digest> {
  const digest = digestOf(manifest.bytes);
  const response = await connection.request({
    method: 'PUT', path: `${reference.path}/manifests/${reference.tag ?? digest}`, headers: { 'content-type': manifest.mediaType }, body: manifest.bytes,
    scopes: pushScopes(reference), accept: [200, 201, 202], what: `manifest of ${canonicalReference(reference)}`, signal,
  });
  const stored = response.header('docker-content-digest') ?? digest;
  await response.discard();
  if (isDigest(stored) && stored.startsWith('sha256:') && stored !== digest) throw new OciImageError('DIGEST_MISMATCH', `registry stored the manifest as ${stored}, want ${digest}`);
  return digest;
}

class BlobUpload {
  readonly #connection: RegistryConnection;
  readonly #reference: ImageReference;
  readonly #descriptor: Descriptor;
  readonly #options: UploadBlobOptions;

  constructor(connection: RegistryConnection, reference: ImageReference, descriptor: Descriptor, options: UploadBlobOptions) {
    this.#connection = connection;
    this.#reference = reference;
    this.#descriptor = descriptor;
    this.#options = options;
  }

  async run(): Promise<PushedBlob> {
    const session = await this.#start();
    if (session === undefined) return 'mounted';
    const patched = await this.#connection.request({
      ...this.#common(), method: 'PATCH', path: session, body: this.#content(), accept: [202],
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(this.#descriptor.size) },
    });
    const location = this.#connection.uploadUrl(patched.header('location') ?? session, { requestUrl: requestUrlOf(patched) });
    await patched.discard();
    const url = new URL(location);
    url.searchParams.set('digest', this.#descriptor.digest);
    const done = await this.#connection.request({ ...this.#common(), method: 'PUT', path: url.href, body: new Uint8Array(0), headers: { 'content-length': '0' }, accept: [201, 204] });
    await done.discard();
    return 'pushed';
  }

  /** @returns the session's URL, or nothing when the blob could be mounted */
  async #start(): Promise<string | undefined> {
    const { mountFrom } = this.#options;
    const query = mountFrom === undefined ? '' : `?${new URLSearchParams({ mount: this.#descriptor.digest, from: mountFrom }).toString()}`;
    const response = await this.#connection.request({
      ...this.#common(), method: 'POST', path: `${this.#reference.path}/blobs/uploads/${query}`, body: new Uint8Array(0), headers: { 'content-length': '0' }, accept: [201, 202],
      scopes: [...pushScopes(this.#reference), ...(mountFrom === undefined ? [] : [repositoryScope(mountFrom, ['pull'])])],
    });
    await response.discard();
    return response.status === 201 ? undefined : this.#connection.uploadUrl(response.header('location'), { requestUrl: requestUrlOf(response) });
  }

  async *#content(): AsyncGenerator<Uint8Array, void, void> {
    let sent = 0;
    for await (const chunk of this.#options.open()) {
      yield chunk;
      sent += chunk.byteLength;
      this.#options.onProgress?.(sent);
    }
  }

  #common(): { readonly scopes: readonly string[]; readonly what: string; readonly signal: AbortSignal | undefined } {
    return { scopes: pushScopes(this.#reference), what: `upload of ${this.#descriptor.digest} to ${canonicalReference(this.#reference)}`, signal: this.#options.signal };
  }
}

function pushScopes(reference: ImageReference): string[] {
  return [repositoryScope(reference.path, ['pull', 'push'])];
}
