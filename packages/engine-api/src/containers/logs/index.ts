export { logAttributes } from './log-attributes.ts';
export { fixedTime } from './log-line.ts';
export type { LogView } from './log-encoder.ts';
export { readLog, type LogRequest } from './log-reader.ts';
