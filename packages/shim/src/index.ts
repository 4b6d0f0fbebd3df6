export { main } from './commands/main.ts';
export { parseShimFlags, type ShimFlags } from './commands/flags.ts';
export { isShimError, ShimError, type ShimErrorCode, type ShimErrorKind } from './errors.ts';
export { TtrpcPublisher, type OutgoingEvent, type Publisher, type TtrpcPublisherOptions } from './events/publisher.ts';
export { CommandRuntime, type CommandRuntimeOptions } from './runtime/command-runtime.ts';
export type { CreateContainer, ExecInContainer, MonitoredProcess, MonitorSetup, OciRuntime } from './runtime/oci-runtime.ts';
export { TaskContainer, type ContainerHost, type ContainerRequest } from './task/task-container.ts';
export { TaskService, type TaskHandlers } from './task/task-service.ts';
