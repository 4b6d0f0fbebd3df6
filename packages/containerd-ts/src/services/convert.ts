import type { Any as WireAny, Descriptor as WireDescriptor, Mount as WireMount, Timestamp } from '@dray/containerd-api/types';
import type { Any } from '../any.ts';
import type { Descriptor } from '../images/image-store.ts';
import type { Mount } from '../snapshots/index.ts';

const NANOS = 1_000_000_000n;

/** Nanoseconds since 1970 as a message. */
export function toTimestamp(nanos: bigint): Timestamp {
  const seconds = nanos >= 0n ? nanos / NANOS : -((-nanos + NANOS - 1n) / NANOS);
  return { seconds, nanos: Number(nanos - seconds * NANOS) };
}

/** A message as nanoseconds since 1970; 0 when absent. */
export function fromTimestamp(timestamp: Timestamp | undefined): bigint {
  return timestamp === undefined ? 0n : timestamp.seconds * NANOS + BigInt(timestamp.nanos);
}

/** Go's zero time, the year 1, which containerd sends for "never". */
export const ZERO_TIME: Timestamp = { seconds: -62_135_596_800n, nanos: 0 };

/** A typed value for the wire. */
export function toAny(any: Any | undefined): WireAny | undefined {
  return any === undefined ? undefined : { typeUrl: any.typeUrl, value: any.value };
}

/** Mounts for the wire. */
export function toMounts(mounts: readonly Mount[]): WireMount[] {
  return mounts.map((mount) => ({ ...mount, options: [...mount.options] }));
}

/** A descriptor for the wire. */
export function toDescriptor(descriptor: Descriptor): WireDescriptor {
  return { ...descriptor, annotations: { ...descriptor.annotations } };
}

/** A descriptor of the wire; an absent one is empty. */
export function fromDescriptor(descriptor: WireDescriptor | undefined): Descriptor {
  return descriptor ?? { mediaType: '', digest: '', size: 0n, annotations: {} };
}

/** A message type as far as packing needs it. */
interface Packable<T> {
  readonly $type: string;
  encode(message: T): { finish(): Uint8Array };
  fromPartial(partial: object): T;
}

/** Packs a message under its bare type name, as containerd writes it. */
export function pack<T>(type: Packable<T>, message: object): Any {
  return { typeUrl: type.$type, value: type.encode(type.fromPartial(message)).finish() };
}
