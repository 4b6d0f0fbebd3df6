/** The task service of a shim, spoken over ttrpc. Versions 2 and 3 differ in the service's name alone, so they share their messages. */
import { TaskDefinition } from './gen/runtime/task/v3/shim.ts';

export {
  CheckpointTaskRequest,
  CloseIORequest,
  ConnectRequest,
  ConnectResponse,
  CreateTaskRequest,
  CreateTaskResponse,
  DeleteRequest,
  DeleteResponse,
  ExecProcessRequest,
  KillRequest,
  PauseRequest,
  PidsRequest,
  PidsResponse,
  ResizePtyRequest,
  ResumeRequest,
  ShutdownRequest,
  StartRequest,
  StartResponse,
  StateRequest,
  StateResponse,
  StatsRequest,
  StatsResponse,
  TaskDefinition as TaskV3Definition,
  UpdateTaskRequest,
  WaitRequest,
  WaitResponse,
} from './gen/runtime/task/v3/shim.ts';

/** The task service under the name that containerd 1.x calls. */
export const TaskV2Definition: Omit<typeof TaskDefinition, 'fullName'> & { readonly fullName: 'containerd.task.v2.Task' } = {
  ...TaskDefinition,
  fullName: 'containerd.task.v2.Task',
};
