/** Messages that several services share, and the well-known ones they build on. */
export { Any } from './gen/google/protobuf/any.ts';
export { Empty } from './gen/google/protobuf/empty.ts';
export { FieldMask } from './gen/google/protobuf/field_mask.ts';
export { Timestamp } from './gen/google/protobuf/timestamp.ts';
export { Descriptor } from './gen/types/descriptor.ts';
export { Envelope } from './gen/types/event.ts';
export { RuntimeInfo, RuntimeRequest, RuntimeVersion } from './gen/types/introspection.ts';
export { Metric } from './gen/types/metrics.ts';
export { ActivationInfo, ActiveMount, Mount } from './gen/types/mount.ts';
export { Platform } from './gen/types/platform.ts';
export { Sandbox, Sandbox_Runtime as SandboxRuntime } from './gen/types/sandbox.ts';
export { Process, ProcessInfo, Status as TaskStatus } from './gen/types/task/task.ts';
