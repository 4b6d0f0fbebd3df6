import type { MessagePort } from 'node:worker_threads';
import { isOciImageError, isOciImageErrorCode, OciImageError, type OciImageErrorDetails } from '../errors.ts';
import type { AppliedLayer, ApplyLayerOptions } from './apply-here.ts';
import type { PackedLayer, PackLayerOptions } from './pack-here.ts';

/** A stream that crosses threads: the reader asks for the next chunk, the writer answers. */
export type ChunkMessage = { readonly kind: 'chunk'; readonly bytes: Uint8Array } | { readonly kind: 'end' } | { readonly kind: 'error'; readonly error: PlainError };

/** Orders to a worker. */
export type WorkerRequest =
  | { readonly kind: 'apply'; readonly options: Omit<ApplyLayerOptions, 'source' | 'onProgress' | 'signal'>; readonly source: string | MessagePort; readonly wantsProgress: boolean; readonly cancel: Int32Array }
  | { readonly kind: 'pack'; readonly options: Omit<PackLayerOptions, 'signal'>; readonly output: string | MessagePort; readonly cancel: Int32Array };

/** What a worker says. */
export type WorkerReply =
  | { readonly kind: 'progress'; readonly bytesRead: number }
  | { readonly kind: 'applied'; readonly layer: AppliedLayer }
  | { readonly kind: 'packed'; readonly layer: PackedLayer }
  | { readonly kind: 'failed'; readonly error: PlainError };

/** An error as plain data: the fields of its class would be lost between threads. */
export interface PlainError {
  readonly code: string | undefined;
  readonly message: string;
  readonly stack: string | undefined;
  readonly details: OciImageErrorDetails;
}

/** Takes an error apart. */
export function toPlainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { code: undefined, message: String(error), stack: undefined, details: {} };
  const ours = isOciImageError(error) ? error : undefined;
  return {
    code: ours?.code, message: error.message, stack: error.stack,
    details: ours === undefined ? {} : {
      kind: ours.kind,
      ...(ours.errno === undefined ? {} : { errno: ours.errno }),
      ...(ours.syscall === undefined ? {} : { syscall: ours.syscall }),
      ...(ours.path === undefined ? {} : { path: ours.path }),
    },
  };
}

/** Puts an error together again. */
export function fromPlainError(plain: PlainError): Error {
  const error = plain.code !== undefined && isOciImageErrorCode(plain.code) ? new OciImageError(plain.code, plain.message, plain.details) : new Error(plain.message);
  if (plain.stack !== undefined) error.stack = plain.stack;
  return error;
}
