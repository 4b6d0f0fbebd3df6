export { NativeBackend } from './native-backend.ts';
export { OverlayBackend, type OverlayOptions } from './overlay-backend.ts';
export { type Mount, type SnapshotBackend, type SnapshotInfo, type SnapshotKind, type SnapshotPlace, type SnapshotUsage } from './snapshot.ts';
export { SnapshotStore, type PrepareOptions, type SnapshotDependencies } from './snapshot-store.ts';
