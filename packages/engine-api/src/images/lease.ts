import { randomBytes } from 'node:crypto';
import type { Containerd } from '../containerd.ts';

/** How long what a crashed daemon left under a lease is kept, in hours. */
const LEASE_HOURS = 24;

/** Runs `use` on a connection whose creations are protected from garbage collection until `use` has ended. */
export async function withLease<T>(containerd: Containerd, use: (leased: Containerd) => Promise<T>): Promise<T> {
  const id = `dray-${randomBytes(8).toString('hex')}`;
  const expires = new Date(Date.now() + LEASE_HOURS * 3_600_000).toISOString().replace(/\.\d+Z$/, 'Z');
  await containerd.leases.create({ id, labels: { 'containerd.io/gc.expire': expires } });
  try {
    return await use(containerd.withScope({ lease: id }));
  } finally {
    await containerd.leases.delete({ id, sync: false });
  }
}
