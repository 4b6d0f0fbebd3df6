export { MonitorClient } from './client.ts';
export { monitorArguments, parseMonitorExit } from './command.ts';
export type { MonitorExit, MonitorOptions } from './command.ts';
export { encodeMonitorRequest, MONITOR_PAYLOAD_BYTES_MAX, MONITOR_PROTOCOL_VERSION, MonitorMessageDecoder } from './protocol.ts';
export type { MonitorMessage, MonitorRequest, MonitorStatus } from './protocol.ts';
