export { TtrpcClient } from './client.ts';
export type { TtrpcStream } from './client-stream.ts';
export type {
  MessageOf,
  PartialOf,
  TtrpcCallContext,
  TtrpcCallOptions,
  TtrpcHandlers,
  TtrpcMessageType,
  TtrpcMethod,
  TtrpcServiceClient,
  TtrpcServiceDefinition,
} from './definition.ts';
export { TtrpcError, isTtrpcError, kindOfStatus, statusOfKind } from './errors.ts';
export type { TtrpcErrorCode, TtrpcErrorDetail, TtrpcErrorKind } from './errors.ts';
export {
  FLAG_NO_DATA,
  FLAG_REMOTE_CLOSED,
  FLAG_REMOTE_OPEN,
  FRAME_DATA,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_BYTES_MAX,
  FRAME_REQUEST,
  FRAME_RESPONSE,
  FrameDecoder,
  encodeFrame,
} from './frame.ts';
export type { DecodedFrame, FrameHeader } from './frame.ts';
export type { TtrpcMetadata } from './message.ts';
export { TtrpcServer } from './server.ts';
export type { TtrpcListenOptions } from './server.ts';
export { createTtrpcClient } from './service-client.ts';
