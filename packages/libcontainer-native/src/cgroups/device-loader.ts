import { closeSync, constants, openSync } from 'node:fs';
import { native } from '../native.ts';
import { systemError } from '../errors.ts';
import type { DeviceProgramLoader } from './cgroup.ts';

const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_DETACH = 9;
const BPF_PROG_GET_FD_BY_ID = 13;
const BPF_PROG_QUERY = 16;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
const BPF_F_ALLOW_MULTI = 2;
const BPF_F_REPLACE = 4;
const EAGAIN = 11;
const LOAD_TRIES = 5;
/** A cgroup rarely has more than one; systemd adds one of its own. */
const ATTACHED_PROGRAMS_MAX = 64;
const LICENSE = new TextEncoder().encode('Apache\0');

/** Device programs through bpf(2). */
export const bpfDeviceLoader: DeviceProgramLoader = { replace: replaceProgram };

/**
 * Attaches before detaching, so that at no moment everything is allowed: programs of one cgroup are ANDed. A single earlier program is
 * exchanged in one step where the kernel can (5.7).
 */
function replaceProgram(directory: string, program: Uint8Array): void {
  const cgroup = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  const opened = [cgroup];
  try {
    const earlier = attachedPrograms(cgroup).map((id) => {
      const fd = programById(id);
      opened.push(fd);
      return fd;
    });
    const loaded = loadProgram(program);
    opened.push(loaded);
    const only = earlier.length === 1 ? earlier[0] : undefined;
    if (only !== undefined && attach(cgroup, loaded, only) >= 0) return;
    const result = attach(cgroup, loaded, undefined);
    if (result < 0) throw systemError(-result, 'bpf(BPF_PROG_ATTACH)', directory);
    for (const fd of earlier) detach(cgroup, fd, directory);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function loadProgram(program: Uint8Array): number {
  const attribute = words(72, [[0, BPF_PROG_TYPE_CGROUP_DEVICE], [4, program.length / 8]]);
  for (let tries = 1; ; tries++) {
    const result = native().bpf(BPF_PROG_LOAD, attribute, [[8, program], [16, LICENSE]]);
    if (result >= 0) return result;
    // The verifier gives up when the calling thread gets a signal.
    if (result !== -EAGAIN || tries === LOAD_TRIES) throw systemError(-result, 'bpf(BPF_PROG_LOAD)');
  }
}

function attachedPrograms(cgroup: number): number[] {
  const ids = new Uint8Array(4 * ATTACHED_PROGRAMS_MAX);
  const attribute = words(40, [[0, cgroup], [4, BPF_CGROUP_DEVICE], [24, ATTACHED_PROGRAMS_MAX]]);
  const result = native().bpf(BPF_PROG_QUERY, attribute, [[16, ids]]);
  if (result < 0) throw systemError(-result, 'bpf(BPF_PROG_QUERY)');
  const count = new DataView(attribute.buffer).getUint32(24, true);
  const view = new DataView(ids.buffer);
  return Array.from({ length: count }, (_none, index) => view.getUint32(4 * index, true));
}

function programById(id: number): number {
  const result = native().bpf(BPF_PROG_GET_FD_BY_ID, words(16, [[0, id]]), []);
  if (result < 0) throw systemError(-result, 'bpf(BPF_PROG_GET_FD_BY_ID)');
  return result;
}

function attach(cgroup: number, program: number, replaced: number | undefined): number {
  const flags = BPF_F_ALLOW_MULTI | (replaced === undefined ? 0 : BPF_F_REPLACE);
  const attribute = words(20, [[0, cgroup], [4, program], [8, BPF_CGROUP_DEVICE], [12, flags], [16, replaced ?? 0]]);
  return native().bpf(BPF_PROG_ATTACH, attribute, []);
}

function detach(cgroup: number, program: number, directory: string): void {
  const result = native().bpf(BPF_PROG_DETACH, words(20, [[0, cgroup], [4, program], [8, BPF_CGROUP_DEVICE]]), []);
  if (result < 0) throw systemError(-result, 'bpf(BPF_PROG_DETACH)', directory);
}

function words(size: number, values: readonly (readonly [offset: number, value: number])[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  for (const [offset, value] of values) view.setUint32(offset, value, true);
  return bytes;
}
