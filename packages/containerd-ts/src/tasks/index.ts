export { type Exit } from './exit.ts';
export { type Kernel } from './kernel.ts';
export { foldersBesideDaemon, ShimBinaries } from './shim-binary.ts';
export { type ShimEnvironment } from './shim-command.ts';
export { Task } from './task.ts';
export { TaskManager, type CreateTaskInput, type TaskManagerOptions } from './task-manager.ts';
