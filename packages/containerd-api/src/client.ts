/** The same connection without the first look at whether gRPC is loaded, and the client maker for other gRPC services such as CRI. */
export { MESSAGE_BYTES_MAX, openContainerd } from './containerd-connection.ts';
export type { ContainerdConnection, ContainerdScope, ContainerdServices } from './containerd-connection.ts';
export { createGrpcClient } from './grpc-client.ts';
export type { GrpcCallOptions, GrpcDuplexCall, GrpcMethod, GrpcService, GrpcServiceClient } from './grpc-client.ts';
