export * from './async-queue.ts';
export * from './endpoints.ts';
export * from './grpc.ts';
export * from './http2/grpc-connections.ts';
export * from './in-memory.ts';
export * from './rpc-error.ts';
export * from './service.ts';
export type { ByteTransport, ServerConnection } from './http2/server-connection.ts';
