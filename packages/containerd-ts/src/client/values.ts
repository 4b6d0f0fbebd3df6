/** How the client shows what travels as protobuf: dates, safe numbers, plain descriptors. */
import { ContainerdApiError, isZeroTimestamp, timestampToDate, timestampToNanos } from '@dray/containerd-api';
import type { Descriptor, Mount, Timestamp } from '@dray/containerd-api/types';

/** What every call takes. */
export interface CallOptions {
  /** Cancels the call; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What a listing takes: containerd's filters, such as `labels."com.example/a"==b`. Several are alternatives. */
export interface ListOptions extends CallOptions {
  readonly filters?: readonly string[];
}

/** Labels or annotations by key. */
export type Labels = Readonly<Record<string, string>>;

/** What a blob is: an OCI content descriptor. */
export interface ContentDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Labels;
}

/** One mount(2) call that a snapshotter asks for; options as in fstab. */
export interface SnapshotMount {
  readonly type: string;
  readonly source: string;
  readonly target?: string;
  readonly options: readonly string[];
}

/** How a process ended. */
export interface ExitStatus {
  /** The process's own code, or 128 and its signal's number. */
  readonly code: number;
  readonly exitedAt: Date;
  /** Since 1970, exact. */
  readonly exitedAtNanos: bigint;
}

/** The Date of a timestamp; absent when it is absent, or Go's zero time. */
export function toDate(timestamp: Timestamp | undefined): Date | undefined {
  return timestamp === undefined || isZeroTimestamp(timestamp) ? undefined : timestampToDate(timestamp);
}

/** Like `toDate()`, for records that always have one; 1970 when the daemon left it out. */
export function toDateOrEpoch(timestamp: Timestamp | undefined): Date {
  return toDate(timestamp) ?? new Date(0);
}

/**
 * A size or offset as a number.
 * @throws ContainerdApiError out_of_range MALFORMED beyond 2^53 − 1
 */
export function toSafeNumber(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new ContainerdApiError('out_of_range', 'MALFORMED', `${value} is beyond what a number holds`);
  return number;
}

export function toExitStatus(response: { readonly exitStatus: number; readonly exitedAt: Timestamp | undefined }): ExitStatus {
  const nanos = response.exitedAt === undefined ? 0n : timestampToNanos(response.exitedAt);
  return { code: response.exitStatus, exitedAt: toDateOrEpoch(response.exitedAt), exitedAtNanos: nanos };
}

export function toContentDescriptor(descriptor: Descriptor | undefined): ContentDescriptor {
  const { mediaType, digest, size, annotations } = expectField(descriptor, 'descriptor');
  return { mediaType, digest, size: toSafeNumber(size), ...(Object.keys(annotations).length > 0 ? { annotations } : {}) };
}

export function fromContentDescriptor(descriptor: ContentDescriptor): Descriptor {
  const { mediaType, digest, size, annotations = {} } = descriptor;
  return { mediaType, digest, size: BigInt(size), annotations: { ...annotations } };
}

export function fromSnapshotMount(mount: SnapshotMount): Mount {
  return { type: mount.type, source: mount.source, target: mount.target ?? '', options: [...mount.options] };
}

export function toSnapshotMount({ type, source, target, options }: Mount): SnapshotMount {
  return { type, source, options, ...(target === '' ? {} : { target }) };
}

/**
 * A field that the daemon always fills.
 * @throws ContainerdApiError internal MALFORMED when it did not
 */
export function expectField<Value>(value: Value | undefined, name: string): Value {
  if (value === undefined) throw new ContainerdApiError('internal', 'MALFORMED', `containerd answered without a ${name}`);
  return value;
}

/** The field-mask paths that change these labels and no others. */
export function labelPaths(labels: Labels): string[] {
  return Object.keys(labels).map((key) => `labels.${key}`);
}
