export { type AttachOptions, type CallOptions, DrayClient, type ExecOptions, type LogOptions } from './client.ts';
export { connectionOf, DEFAULT_HOST, type Endpoint, endpointFromEnvironment, readCertificates } from './endpoint.ts';
export { DrayClientError, isDrayClientError } from './errors.ts';
export { demultiplex, FrameDecoder, type OutputChunk } from './frames.ts';
export { API_VERSION } from './transport.ts';
export type * from './types.ts';
