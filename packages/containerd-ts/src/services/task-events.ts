import { TaskDelete, TaskExit } from '@dray/containerd-api/events';
import { bareTypeUrl } from '../any.ts';
import type { EventEnvelope, EventExchange } from '../events/index.ts';
import type { Exit, Task, TaskManager } from '../tasks/index.ts';
import { pack } from './convert.ts';

/** Publishes the end of a task whose shim died before it could. */
export function publishDeath(events: EventExchange, task: Task, { pid, exitStatus, exitedAt }: Exit & { readonly pid: number }): void {
  const containerId = task.id;
  events.publish(task.namespace, '/tasks/exit', pack(TaskExit, { containerId, id: containerId, pid, exitStatus, exitedAt }));
  events.publish(task.namespace, '/tasks/delete', pack(TaskDelete, { containerId, pid, exitStatus, exitedAt }));
}

/** Lets the task remember an exit that its shim tells of. */
export function noteExit(tasks: TaskManager, envelope: EventEnvelope): void {
  if (envelope.topic !== '/tasks/exit' || bareTypeUrl(envelope.event.typeUrl) !== TaskExit.$type) return;
  const { containerId, id, exitStatus, exitedAt } = TaskExit.decode(envelope.event.value);
  tasks.find(envelope.namespace, containerId)?.noteExit(id === containerId ? '' : id, { exitStatus, exitedAt });
}
