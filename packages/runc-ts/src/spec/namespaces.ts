import { lstatSync, statSync } from 'node:fs';
import type { NamespaceType, PlanNamespaces } from '@dray/libcontainer';
import { invalidSpec, RuncError } from '../errors.ts';
import type { NamespaceSpec } from './types.ts';

/** What a configuration says about one kind of namespace. */
export type NamespaceUse = { readonly kind: 'inherit' } | { readonly kind: 'create' } | { readonly kind: 'join'; readonly path: string };

/** The namespaces of a container by their OCI names. */
export type NamespaceUses = ReadonlyMap<NamespaceType, NamespaceUse>;

const TYPES: readonly NamespaceType[] = ['user', 'pid', 'mount', 'network', 'ipc', 'uts', 'cgroup', 'time'];
/** The names in /proc/<pid>/ns. */
export const NAMESPACE_FILES: Readonly<Record<NamespaceType, string>> = { user: 'user', pid: 'pid', mount: 'mnt', network: 'net', ipc: 'ipc', uts: 'uts', cgroup: 'cgroup', time: 'time' };
const INHERIT: NamespaceUse = { kind: 'inherit' };

/**
 * Reads the list of namespaces.
 * @throws RuncError `invalid_argument` for an unknown or a repeated type.
 */
export function namespaceUses(namespaces: readonly NamespaceSpec[]): NamespaceUses {
  const uses = new Map<NamespaceType, NamespaceUse>();
  for (const { type, path = '' } of namespaces) {
    const known = TYPES.find((each) => each === type);
    if (known === undefined) throw invalidSpec(`namespace {${JSON.stringify(type)} ${JSON.stringify(path)}} does not exist`);
    if (uses.has(known)) throw invalidSpec(`malformed spec file: duplicated ns {${JSON.stringify(type)} ${JSON.stringify(path)}}`);
    uses.set(known, path === '' ? { kind: 'create' } : { kind: 'join', path });
  }
  return uses;
}

/** How a container gets its namespace of a type. */
export function useOf(uses: NamespaceUses, type: NamespaceType): NamespaceUse {
  return uses.get(type) ?? INHERIT;
}

/** The part of the plan for a new container. */
export function planNamespaces(uses: NamespaceUses): PlanNamespaces {
  const create: NamespaceType[] = [];
  const join: { type: NamespaceType; path: string }[] = [];
  for (const [type, use] of uses) {
    if (use.kind === 'create') create.push(type);
    else if (use.kind === 'join') join.push({ type, path: requireNamespaceFile(use.path) });
  }
  return { create, join };
}

/** Whether a container's namespace differs from the caller's: new, or joined by the path of another one. */
export function isPrivate(uses: NamespaceUses, type: NamespaceType): boolean {
  const use = useOf(uses, type);
  if (use.kind !== 'join') return use.kind === 'create';
  try {
    const [theirs, ours] = [statSync(use.path), statSync(`/proc/self/ns/${NAMESPACE_FILES[type]}`)];
    return theirs.ino !== ours.ino || theirs.dev !== ours.dev;
  } catch {
    // A path that cannot be looked at is refused when it is joined; it is not ours.
    return true;
  }
}

function requireNamespaceFile(path: string): string {
  try {
    lstatSync(path);
  } catch (error) {
    throw new RuncError({ kind: 'not_found', code: 'NO_NAMESPACE', message: `unable to create new parent process: namespace path: lstat ${path}: no such file or directory`, cause: error });
  }
  return path;
}
