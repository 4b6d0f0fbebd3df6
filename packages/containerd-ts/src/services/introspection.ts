import { readFileSync, readlinkSync } from 'node:fs';
import { mkdirSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { IntrospectionServer, Plugin } from '@dray/containerd-api/services/introspection';
import { notFound } from '../errors.ts';
import { parseFilters, select } from '../filters/index.ts';
import { unary } from './call.ts';

/** A part of the daemon, under the name containerd gives it. */
export interface PluginInfo {
  readonly type: string;
  readonly id: string;
  readonly requires?: readonly string[];
  readonly exports?: Readonly<Record<string, string>>;
  readonly capabilities?: readonly string[];
}

/** `containerd.services.introspection.v1.Introspection` */
export function createIntrospectionService({ plugins, root }: { readonly plugins: readonly PluginInfo[]; readonly root: string }): IntrospectionServer {
  const all = plugins.map(toWire);
  const uuid = readUuid(root);
  return {
    plugins: unary(({ filters }) => ({ plugins: select(parseFilters(filters), all, readField) })),
    server: unary(() => ({ uuid, pid: BigInt(process.pid), pidns: pidNamespace(), deprecations: [] })),
    pluginInfo: unary(({ type, id }) => {
      const plugin = all.find((one) => one.type === type && one.id === id);
      if (plugin === undefined) throw notFound('PLUGIN_NOT_FOUND', `plugin ${type}.${id}`);
      return { plugin, extra: undefined };
    }),
  };
}

/** The daemon's identity: made once, kept under its root. */
function readUuid(root: string): string {
  const path = join(root, 'io.containerd.grpc.v1.introspection', 'uuid');
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  try {
    writeFileSync(path, randomUUID(), { flag: 'wx', mode: 0o600 });
  } catch {
    // It exists already, or reading it below says what is wrong.
  }
  return readFileSync(path, 'utf8').trim();
}

function pidNamespace(): bigint {
  const inode = /\[(\d+)\]/.exec(readlinkSync('/proc/self/ns/pid'))?.[1];
  return BigInt(inode ?? 0);
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386', s390x: 's390x', ppc64: 'ppc64le', riscv64: 'riscv64' };

function toWire(plugin: PluginInfo): Plugin {
  return {
    type: plugin.type,
    id: plugin.id,
    requires: [...(plugin.requires ?? [])],
    platforms: [{ os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch, variant: '', osVersion: '', osFeatures: [] }],
    exports: { ...plugin.exports },
    capabilities: [...(plugin.capabilities ?? [])],
    initErr: undefined,
  };
}

function readField(plugin: Plugin, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'type':
      return plugin.type;
    case 'id':
      return plugin.id;
    case 'capabilities':
      return plugin.capabilities.includes(path.slice(1).join('.')) ? 'true' : undefined;
    default:
      return undefined;
  }
}
