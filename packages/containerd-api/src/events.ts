/** The bodies of the events of containerd, one message for each topic. */
export { ContainerCreate, ContainerCreate_Runtime, ContainerDelete, ContainerUpdate } from './gen/events/container.ts';
export { ContentCreate, ContentDelete } from './gen/events/content.ts';
export { ImageCreate, ImageDelete, ImageUpdate } from './gen/events/image.ts';
export { NamespaceCreate, NamespaceDelete, NamespaceUpdate } from './gen/events/namespace.ts';
export { SandboxCreate, SandboxExit, SandboxStart } from './gen/events/sandbox.ts';
export { SnapshotCommit, SnapshotPrepare, SnapshotRemove } from './gen/events/snapshot.ts';
export {
  TaskCheckpointed,
  TaskCreate,
  TaskDelete,
  TaskExecAdded,
  TaskExecStarted,
  TaskExit,
  TaskIO,
  TaskOOM,
  TaskPaused,
  TaskResumed,
  TaskStart,
} from './gen/events/task.ts';
