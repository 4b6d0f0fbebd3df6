/** The events of tasks, packed. */
import { TaskCreate, TaskDelete, TaskExecAdded, TaskExecStarted, TaskExit, TaskOOM, TaskPaused, TaskResumed, TaskStart } from '@dray/containerd-api/events';
import { packAny, timestampFromNanos } from '@dray/containerd-api';
import type { OutgoingEvent } from '../events/publisher.ts';
import type { Stdio } from '../state/task-record.ts';
import type { ProcessExit } from './process-monitor.ts';
import type { RootfsMount } from './rootfs.ts';

/** Announces a container that was made and not yet started. */
export function createEvent(task: { readonly containerId: string; readonly bundle: string; readonly rootfs: readonly RootfsMount[]; readonly io: Stdio; readonly pid: number }): OutgoingEvent {
  const { containerId, bundle, io, pid } = task;
  const rootfs = task.rootfs.map(({ type, source, options }) => ({ type, source, options: [...options] }));
  return { topic: '/tasks/create', event: packAny(TaskCreate, { containerId, bundle, rootfs, io, checkpoint: '', pid }) };
}

/** Announces that a container's program runs. */
export function startEvent(containerId: string, pid: number): OutgoingEvent {
  return { topic: '/tasks/start', event: packAny(TaskStart, { containerId, pid }) };
}

/** Announces an exec that was described. */
export function execAddedEvent(containerId: string, execId: string): OutgoingEvent {
  return { topic: '/tasks/exec-added', event: packAny(TaskExecAdded, { containerId, execId }) };
}

/** Announces that an exec's program runs. */
export function execStartedEvent(containerId: string, execId: string, pid: number): OutgoingEvent {
  return { topic: '/tasks/exec-started', event: packAny(TaskExecStarted, { containerId, execId, pid }) };
}

/** Announces that a process has ended; for the first process the two ids are equal. */
export function exitEvent(exit: { readonly containerId: string; readonly id: string; readonly pid: number; readonly exit: ProcessExit }): OutgoingEvent {
  const { containerId, id, pid } = exit;
  return { topic: '/tasks/exit', event: packAny(TaskExit, { containerId, id, pid, exitStatus: exit.exit.status, exitedAt: timestampFromNanos(exit.exit.atNanos) }) };
}

/** Announces that a container is gone. Its id field stays empty, as in the original. */
export function deleteEvent(containerId: string, pid: number, exit: ProcessExit): OutgoingEvent {
  return { topic: '/tasks/delete', event: packAny(TaskDelete, { containerId, pid, exitStatus: exit.status, exitedAt: timestampFromNanos(exit.atNanos) }) };
}

/** Announces that the kernel killed a process of the container for want of memory. */
export function oomEvent(containerId: string): OutgoingEvent {
  return { topic: '/tasks/oom', event: packAny(TaskOOM, { containerId }) };
}

/** Announces that a container's processes are frozen. */
export function pausedEvent(containerId: string): OutgoingEvent {
  return { topic: '/tasks/paused', event: packAny(TaskPaused, { containerId }) };
}

/** Announces that a container's processes run again. */
export function resumedEvent(containerId: string): OutgoingEvent {
  return { topic: '/tasks/resumed', event: packAny(TaskResumed, { containerId }) };
}
