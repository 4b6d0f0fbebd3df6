import { realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { invalidSpec, RuncError } from '../errors.ts';
import { isPrivate, type NamespaceUses, useOf } from './namespaces.ts';
import { PROPAGATION } from './mount-options.ts';
import { validateSysctls } from './sysctl.ts';
import type { LinuxSpec, Spec } from './types.ts';

const ID_PATTERN = /^[\w+.-]+$/;

/**
 * Refuses what cannot name a container's directory.
 * @throws RuncError `invalid_argument` (`INVALID_ID`).
 */
export function validateId(id: string): void {
  if (id === '') throw new RuncError({ kind: 'invalid_argument', code: 'INVALID_ID', message: 'container id cannot be empty' });
  if (!ID_PATTERN.test(id) || id === '.' || id === '..') throw new RuncError({ kind: 'invalid_argument', code: 'INVALID_ID', message: 'invalid container ID format' });
}

/**
 * The rootfs as an absolute path without symbolic links in it.
 * @throws RuncError `invalid_argument`, in runc's words.
 */
export function rootfsOf(spec: Spec, bundle: string): string {
  if (spec.root === undefined) throw invalidSpec('root must be specified');
  const path = resolve(bundle, spec.root.path);
  const real = realPath(path);
  if (real !== path) throw invalidSpec('invalid rootfs: not an absolute path, or a symlink');
  if (!statSync(real).isDirectory()) throw invalidSpec(`invalid rootfs: ${path} is not a directory`);
  return path;
}

/**
 * Refuses combinations that would change the host in place of the container, or that cannot work.
 * @throws RuncError `invalid_argument`, in runc's words.
 */
export function validateSpec(spec: Spec, uses: NamespaceUses): void {
  const linux = spec.linux ?? {};
  if ((spec.hostname ?? '') !== '' && useOf(uses, 'uts').kind === 'inherit') throw invalidSpec('unable to set hostname without a private UTS namespace');
  if ((spec.domainname ?? '') !== '' && useOf(uses, 'uts').kind === 'inherit') throw invalidSpec('unable to set domainname without a private UTS namespace');
  const restricts = (linux.maskedPaths ?? []).length + (linux.readonlyPaths ?? []).length > 0;
  if (restricts && useOf(uses, 'mount').kind === 'inherit') throw invalidSpec('unable to restrict sys entries without a private MNT namespace');
  validateUserNamespace(linux, uses);
  validateTimeNamespace(linux, uses);
  validateSysctls(linux.sysctl ?? {}, uses);
  validatePropagation(linux.rootfsPropagation ?? '');
  refuseUnsupported(linux);
}

function validateUserNamespace(linux: LinuxSpec, uses: NamespaceUses): void {
  const { uidMappings = [], gidMappings = [] } = linux;
  if (useOf(uses, 'user').kind !== 'create') return;
  if (uidMappings.length === 0) throw invalidSpec('User namespaces enabled, but no uid mappings found.');
  if (gidMappings.length === 0) throw invalidSpec('User namespaces enabled, but no gid mappings found.');
}

function validateTimeNamespace({ timeOffsets = {} }: LinuxSpec, uses: NamespaceUses): void {
  const clocks = Object.keys(timeOffsets);
  if (clocks.length === 0) return;
  if (useOf(uses, 'time').kind === 'inherit') throw invalidSpec('time namespace offsets specified, but time namespace isn\'t enabled in the config');
  if (useOf(uses, 'time').kind === 'join') throw invalidSpec('time namespace enabled, but both namespace path and time offsets specified -- you may only provide one');
  const unknown = clocks.find((clock) => clock !== 'monotonic' && clock !== 'boottime');
  if (unknown !== undefined) throw invalidSpec(`unknown time namespace clock ${JSON.stringify(unknown)}`);
}

function validatePropagation(name: string): void {
  if (name !== '' && !Object.hasOwn(PROPAGATION, name)) throw invalidSpec(`rootfsPropagation=${name} is not supported`);
}

/** What is asked for and not there must not be passed over in silence. */
function refuseUnsupported(linux: LinuxSpec): void {
  const missing = (['intelRdt', 'netDevices', 'memoryPolicy'] as const).find((field) => Object.keys(linux[field] ?? {}).length > 0);
  if (missing !== undefined) throw new RuncError({ kind: 'not_implemented', code: 'NOT_IMPLEMENTED', message: `linux.${missing} is not implemented` });
  if ((linux.mountLabel ?? '') !== '') throw invalidSpec('selinux label is specified in config, but selinux is disabled or not supported');
}

/** Whether processes of the container can be told from others by their namespace: it dies with its init. */
export function hasOwnPids(uses: NamespaceUses): boolean {
  return isPrivate(uses, 'pid');
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw invalidSpec(`invalid rootfs: stat ${path}: no such file or directory`, error);
    throw error;
  }
}
