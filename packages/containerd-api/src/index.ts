export { connectContainerd } from './connect.ts';
export type { ContainerdConnection, ContainerdScope, ContainerdServices } from './containerd-connection.ts';
export {
  ContainerdApiError,
  grpcStatusOfKind,
  isContainerdApiError,
  isContainerdErrorKind,
  kindOfGrpcStatus,
  withErrorClass,
  withoutErrorClass,
} from './errors.ts';
export type { ContainerdErrorCode, ContainerdErrorKind } from './errors.ts';
export type { GrpcCallOptions, GrpcDuplexCall, GrpcMethod, GrpcService, GrpcServiceClient } from './grpc-client.ts';
export {
  formatTimestamp,
  isZeroTimestamp,
  parseTimestamp,
  timestampFromDate,
  timestampFromNanos,
  timestampNow,
  timestampToDate,
  timestampToNanos,
  zeroTimestamp,
} from './timestamp.ts';
export { JSON_TYPE_URLS, isAnyOf, packAny, packJson, typeNameOf, unpackAny, unpackJson } from './typeurl.ts';
export type { PackableType } from './typeurl.ts';
