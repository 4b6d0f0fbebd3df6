/** What the steps of a container's life share. */
import type { DaemonContext } from '../../context.ts';
import type { HostDefaults } from '../create/host-config.ts';
import type { HostFacts } from '../create/validate.ts';
import type { ExecRegistry } from '../exec/exec.ts';
import type { NameRegistry } from '../names/registry.ts';
import type { RootfsAccess } from '../rootfs/rootfs-access.ts';
import type { SpecHost } from '../spec/build.ts';
import type { TaskPort } from '../tasks/task-port.ts';
import type { Container } from './container.ts';
import type { RecordStore } from './record-store.ts';

/** The parts, and the daemon's context. */
export interface Engine {
  readonly context: DaemonContext;
  readonly tasks: TaskPort;
  readonly registry: NameRegistry<Container>;
  readonly store: RecordStore;
  readonly rootfs: RootfsAccess;
  readonly host: SpecHost;
  readonly hostFacts: HostFacts;
  readonly hostDefaults: HostDefaults;
  readonly execs: ExecRegistry;
  /** Aborted when the daemon ends: nothing is restarted any more. */
  readonly shutdown: AbortController;
}

/** Announces what happened to a container, with Docker's attributes: its labels, image and name, and what the event adds. */
export function publish(engine: Engine, container: Container, action: string, extra: Readonly<Record<string, string>> = {}): void {
  const { config, name, id } = container.record;
  const attributes = { ...config.Labels, image: config.Image, name: name.slice(1), ...extra };
  engine.context.events.publish({ type: 'container', action, actor: { id, attributes } });
}
