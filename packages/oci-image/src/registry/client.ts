import { createRequire } from 'node:module';
import { type Digest, digestAlgorithm, digestOf, isDigest } from '../digest.ts';
import { asArray, asObject, asString, parseJson } from '../document.ts';
import { OciImageError } from '../errors.ts';
import { type Descriptor, MANIFEST_BYTES_MAX, type ManifestDocument, parseManifestDocument } from '../manifest.ts';
import { isForeignLayerMediaType, MEDIA_TYPE } from '../media-types.ts';
import { canonicalReference, familiarReference, type ImageReference, withDefaultTag } from '../reference.ts';
import { Authorizer, repositoryScope } from './authorizer.ts';
import { RegistryConnection } from './connection.ts';
import { type CredentialSource, fixedCredentials } from './credentials.ts';
import { downloadBlob } from './download.ts';
import { type HostOptions, HostTable } from './hosts.ts';
import type { RetryOptions } from './retry.ts';
import { type PushedBlob, uploadBlob, type UploadBlobOptions, uploadManifest } from './upload.ts';
import { createHttpTransport, type HttpTransportOptions, type Transport } from './transport.ts';

/** Options of {@link RegistryClient}. */
export interface RegistryClientOptions extends HostOptions {
  /** Where credentials come from. Default: anonymous. */
  readonly credentials?: CredentialSource;
  readonly retry?: RetryOptions;
  readonly userAgent?: string;
  readonly http?: HttpTransportOptions;
  /** Replaces HTTP, in tests. */
  readonly transport?: Transport;
}

/** A manifest or index as a registry served it. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  /** The exact bytes; the descriptor's digest is theirs. */
  readonly bytes: Uint8Array;
  readonly document: ManifestDocument;
}

/** Options of {@link RegistryClient.fetchBlob}. */
export interface FetchBlobOptions {
  /** First byte wanted: to go on with a partial download. Default 0. */
  readonly offset?: number;
  /** Check the digest at the end. Only possible from offset 0, and the default then. */
  readonly verify?: boolean;
  /** Told before each wait for another attempt. */
  readonly onRetry?: (retry: { readonly attempt: number; readonly delayMs: number; readonly error: unknown }) => void;
  readonly signal?: AbortSignal;
}

const MANIFEST_ACCEPT = [
  MEDIA_TYPE.dockerManifest, MEDIA_TYPE.dockerManifestList, MEDIA_TYPE.ociManifest, MEDIA_TYPE.ociIndex, MEDIA_TYPE.dockerSchema1Signed, 'application/json',
].join(', ');
const TAGS_BYTES_MAX = 4 * 1024 * 1024;
const TAG_PAGES_MAX = 1000;

/**
 * A client for registries that speak the OCI distribution API (Docker registry API v2). One client serves any number of registries; it keeps tokens and
 * connections until it is closed.
 */
export class RegistryClient implements AsyncDisposable {
  readonly #options: RegistryClientOptions;
  readonly #hosts: HostTable;
  readonly #transport: Transport;
  readonly #connections = new Map<string, RegistryConnection>();

  /** @throws OciImageError `INVALID_OPTION` for a bad insecure registry or mirror */
  constructor(options: RegistryClientOptions = {}) {
    this.#options = options;
    this.#hosts = new HostTable(options);
    this.#transport = options.transport ?? createHttpTransport(options.http);
  }

  /** Closes connections. Requests under way fail. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Finds what a reference names, without fetching it where the registry can tell.
   * @throws OciImageError `MANIFEST_UNKNOWN`, `NAME_UNKNOWN`, `REGISTRY_DENIED`, `REGISTRY_UNAUTHORIZED`, `REGISTRY_UNAVAILABLE`, …
   */
  async resolve(reference: ImageReference, options: { readonly signal?: AbortSignal } = {}): Promise<Descriptor> {
    const named = withDefaultTag(reference);
    const response = await this.#manifestRequest('HEAD', named, options.signal);
    const length = response.header('content-length') ?? '';
    const digest = response.header('docker-content-digest') ?? named.digest;
    const mediaType = mediaTypeOf(response.header('content-type'));
    await response.discard();
    const isComplete = digest !== undefined && isDigest(digest) && /^[0-9]{1,15}$/.test(length) && mediaType !== undefined;
    if (!isComplete || (named.digest !== undefined && named.digest !== digest)) return (await this.fetchManifest(named, options)).descriptor;
    return { mediaType, digest, size: Number(length) };
  }

  /**
   * Fetches a manifest or an index, checked: its digest is computed from the bytes and must be the one asked for, if one was.
   * @throws OciImageError as {@link resolve}, and `DIGEST_MISMATCH`, `SIZE_MISMATCH`, `DOCUMENT_TOO_LARGE`, `INVALID_DOCUMENT`
   */
  async fetchManifest(reference: ImageReference, options: { readonly descriptor?: Descriptor; readonly signal?: AbortSignal } = {}): Promise<FetchedManifest> {
    const named = options.descriptor === undefined ? withDefaultTag(reference) : { ...reference, digest: options.descriptor.digest };
    const response = await this.#manifestRequest('GET', named, options.signal);
    const bytes = await response.bytes(MANIFEST_BYTES_MAX);
    const digest = digestOf(bytes, named.digest === undefined ? 'sha256' : digestAlgorithm(named.digest));
    if (named.digest !== undefined && named.digest !== digest) {
      throw new OciImageError('DIGEST_MISMATCH', `manifest verification failed for digest ${named.digest}`);
    }
    if (options.descriptor !== undefined && options.descriptor.size !== bytes.byteLength) {
      throw new OciImageError('SIZE_MISMATCH', `manifest ${digest} is ${bytes.byteLength} bytes, want ${options.descriptor.size}`);
    }
    const served = mediaTypeOf(response.header('content-type'));
    const document = parseManifestDocument(bytes, options.descriptor?.mediaType ?? (served === 'application/json' || served === 'text/plain' ? undefined : served));
    return { descriptor: { ...options.descriptor, mediaType: document.mediaType, digest, size: bytes.byteLength }, bytes, document };
  }

  /**
   * Streams a blob. A cut connection is resumed where it broke. Length and, from the beginning, digest are checked: a wrong one fails the stream at its end.
   * @throws OciImageError `BLOB_UNKNOWN`, `DIGEST_MISMATCH`, `SIZE_MISMATCH`, and as {@link resolve}
   */
  fetchBlob(reference: ImageReference, descriptor: Descriptor, options: FetchBlobOptions = {}): AsyncIterable<Uint8Array> {
    return downloadBlob({
      request: async ({ headers, signal }) => await this.connection(reference).request({
        method: 'GET', path: `${reference.path}/blobs/${descriptor.digest}`, headers, signal, accept: [200, 206, 416],
        scopes: [repositoryScope(reference.path, ['pull'])], what: `blob ${descriptor.digest} of ${canonicalReference(reference)}`, notFound: 'BLOB_UNKNOWN',
      }),
      descriptor,
      retry: this.#options.retry ?? {},
      foreignUrls: isForeignLayerMediaType(descriptor.mediaType) ? descriptor.urls ?? [] : [],
      transport: this.#transport,
      ...options,
    });
  }

  /** Whether the repository has a blob. */
  async hasBlob(reference: ImageReference, digest: Digest, options: { readonly signal?: AbortSignal; readonly forPush?: boolean } = {}): Promise<boolean> {
    const response = await this.connection(reference).request({
      method: 'HEAD', path: `${reference.path}/blobs/${digest}`, accept: [200, 404], signal: options.signal, what: `blob ${digest}`,
      scopes: [repositoryScope(reference.path, options.forPush === true ? ['pull', 'push'] : ['pull'])],
    });
    await response.discard();
    return response.status === 200;
  }

  /**
   * Makes sure that a repository has a blob: found, mounted from another repository, or uploaded.
   * @throws OciImageError `REGISTRY_*`
   */
  async pushBlob(reference: ImageReference, descriptor: Descriptor, options: UploadBlobOptions): Promise<PushedBlob> {
    return await uploadBlob(this, this.#options.retry ?? {}, reference, descriptor, options);
  }

  /** Puts a manifest or index under the reference's tag, or under its digest when there is no tag. @returns its digest */
  async pushManifest(reference: ImageReference, manifest: { readonly bytes: Uint8Array; readonly mediaType: string }, options: { readonly signal?: AbortSignal } = {}): Promise<Digest> {
    return await uploadManifest(this.connection(reference), reference, manifest, options.signal);
  }

  /** Every tag of a repository, page by page. */
  async *listTags(reference: ImageReference, options: { readonly pageSize?: number; readonly signal?: AbortSignal } = {}): AsyncGenerator<string, void, void> {
    let path: string | undefined = `${reference.path}/tags/list${options.pageSize === undefined ? '' : `?n=${options.pageSize}`}`;
    for (let page = 0; path !== undefined; page += 1) {
      if (page >= TAG_PAGES_MAX) throw new OciImageError('REGISTRY_PROTOCOL', `tags of ${canonicalReference(reference)}: more than ${TAG_PAGES_MAX} pages`);
      const response = await this.connection(reference).request({
        method: 'GET', path, accept: [200], signal: options.signal, what: `tags of ${familiarReference(reference)}`, notFound: 'NAME_UNKNOWN',
        scopes: [repositoryScope(reference.path, ['pull'])],
      });
      const document = asObject(parseJson(await response.bytes(TAGS_BYTES_MAX), { what: 'tag list', bytesMax: TAGS_BYTES_MAX }), 'tag list');
      yield* asArray(document['tags'] ?? [], 'tag list.tags', asString);
      path = nextPage(response.header('link'));
    }
  }

  /** The connection to a reference's registry. @internal */
  connection(reference: Pick<ImageReference, 'domain'>): RegistryConnection {
    const { domain } = reference;
    const known = this.#connections.get(domain);
    if (known !== undefined) return known;
    const authorizer = new Authorizer({ transport: this.#transport, credentials: this.#options.credentials ?? fixedCredentials(undefined), domain });
    const connection = new RegistryConnection({
      domain, hosts: this.#hosts, transport: this.#transport, authorizer, retry: this.#options.retry ?? {}, userAgent: this.#options.userAgent ?? defaultUserAgent(),
    });
    this.#connections.set(domain, connection);
    return connection;
  }

  async #manifestRequest(method: 'HEAD' | 'GET', reference: ImageReference, signal: AbortSignal | undefined): ReturnType<RegistryConnection['request']> {
    return await this.connection(reference).request({
      method, path: `${reference.path}/manifests/${reference.digest ?? reference.tag ?? ''}`, headers: { accept: MANIFEST_ACCEPT }, accept: [200], signal,
      scopes: [repositoryScope(reference.path, ['pull'])], what: `manifest for ${familiarReference(reference)}`, notFound: 'MANIFEST_UNKNOWN',
    });
  }
}

function mediaTypeOf(contentType: string | undefined): string | undefined {
  const type = contentType?.split(';')[0]?.trim().toLowerCase();
  return type === '' ? undefined : type;
}

/** The path below /v2/ of `Link: </v2/…>; rel="next"`. A link to another host is not followed. */
function nextPage(link: string | undefined): string | undefined {
  const target = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1];
  if (target === undefined) return undefined;
  const url = URL.parse(target, 'http://registry/v2/');
  return url?.host === 'registry' && url.pathname.startsWith('/v2/') ? url.pathname.slice('/v2/'.length) + url.search : undefined;
}

function defaultUserAgent(): string {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  return `dray-oci-image/${version}`;
}
