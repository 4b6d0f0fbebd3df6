import { Digester, digestAlgorithm } from '../digest.ts';
import { isOciImageError, OciImageError } from '../errors.ts';
import type { Descriptor } from '../manifest.ts';
import type { FetchBlobOptions } from './client.ts';
import { registryError } from './registry-error.ts';
import { Backoff, type RetryOptions } from './retry.ts';
import type { HttpResponse, Transport } from './transport.ts';

/** What {@link downloadBlob} needs. */
interface DownloadOptions extends FetchBlobOptions {
  readonly request: (options: { readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal | undefined }) => Promise<HttpResponse>;
  readonly descriptor: Descriptor;
  readonly retry: RetryOptions;
  /** Where a foreign layer may be had when the registry does not have it; asked without any credentials. */
  readonly foreignUrls: readonly string[];
  readonly transport: Transport;
}

/** Streams a blob and goes on by Range after a cut. Each attempt that brings bytes counts as progress. */
export async function* downloadBlob(options: DownloadOptions): AsyncGenerator<Uint8Array, void, void> {
  const { descriptor, signal } = options;
  const start = options.offset ?? 0;
  const digester = start === 0 && options.verify !== false ? new Digester(digestAlgorithm(descriptor.digest)) : undefined;
  const backoff = new Backoff(options.retry);
  let offset = start;
  while (offset < descriptor.size || descriptor.size === 0) {
    const before = offset;
    try {
      for await (const chunk of openAt(options, offset)) {
        offset += chunk.byteLength;
        if (offset > descriptor.size) throw new OciImageError('SIZE_MISMATCH', `blob ${descriptor.digest} is longer than ${descriptor.size} bytes`);
        digester?.update(chunk);
        yield chunk;
      }
      if (descriptor.size === 0) break;
      if (offset < descriptor.size) throw new OciImageError('REGISTRY_UNAVAILABLE', `blob ${descriptor.digest} ended at ${offset} of ${descriptor.size} bytes`);
    } catch (error) {
      signal?.throwIfAborted();
      if (offset > before) backoff.reset();
      await backoff.next(error, { signal, onRetry: (delayMs) => options.onRetry?.({ attempt: backoff.failures, delayMs, error }) });
    }
  }
  if (digester !== undefined && digester.digest() !== descriptor.digest) {
    throw new OciImageError('DIGEST_MISMATCH', `filesystem layer verification failed for digest ${descriptor.digest}`);
  }
}

async function* openAt(options: DownloadOptions, offset: number): AsyncGenerator<Uint8Array, void, void> {
  const response = await requestAt(options, offset);
  if (response.status === 206) {
    checkContentRange(response, options.descriptor, offset);
    yield* response.body;
    return;
  }
  if (response.status !== 200) {
    throw registryError({ what: `blob ${options.descriptor.digest}`, status: response.status, body: await response.text(1024) });
  }
  yield* skipBytes(response.body, offset); // A registry without Range sends all of it again.
}

async function requestAt(options: DownloadOptions, offset: number): Promise<HttpResponse> {
  const headers = offset === 0 ? {} : { range: `bytes=${offset}-` };
  try {
    return await options.request({ headers, signal: options.signal });
  } catch (error) {
    const url = options.foreignUrls.find((candidate) => /^https?:\/\//.test(candidate));
    if (url === undefined || !isOciImageError(error, 'BLOB_UNKNOWN')) throw error;
    return await options.transport.request({ method: 'GET', url, headers, isInsecure: false, ...(options.signal === undefined ? {} : { signal: options.signal }) });
  }
}

function checkContentRange(response: HttpResponse, descriptor: Descriptor, offset: number): void {
  const match = /^bytes ([0-9]+)-([0-9]+)\/([0-9]+|\*)$/.exec(response.header('content-range') ?? '');
  const isRight = match !== null && Number(match[1]) === offset && (match[3] === '*' || Number(match[3]) === descriptor.size);
  if (!isRight) throw new OciImageError('REGISTRY_PROTOCOL', `blob ${descriptor.digest}: asked from byte ${offset}, got ${JSON.stringify(response.header('content-range') ?? '')}`);
}

async function* skipBytes(body: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array, void, void> {
  let left = count;
  for await (const chunk of body) {
    if (chunk.byteLength <= left) {
      left -= chunk.byteLength;
    } else {
      yield left === 0 ? chunk : chunk.subarray(left);
      left = 0;
    }
  }
}
