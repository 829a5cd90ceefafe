import { ImageServiceDefinition, RuntimeServiceDefinition } from '@orrery/proto/cri';
import { type Channel, type Client, createClient, grpcChannel } from '@orrery/rpc';

/** Both services of a runtime, typed. */
export interface CriClients {
  readonly runtime: Client<RuntimeServiceDefinition>;
  readonly images: Client<ImageServiceDefinition>;
}

/** Clients over a channel to a runtime: in memory (`inMemoryChannel`) or gRPC (`criChannel`). */
export function criClients(channel: Channel): CriClients {
  return { runtime: createClient(RuntimeServiceDefinition, channel), images: createClient(ImageServiceDefinition, channel) };
}

/** A gRPC channel to a runtime's endpoint: `unix:///run/containerd/containerd.sock`, a bare socket path, or `host:port`. */
export function criChannel(endpoint: string): Channel {
  if (endpoint.startsWith('unix://')) return grpcChannel(`unix:${endpoint.slice('unix://'.length)}`, { serverName: 'localhost' });
  return grpcChannel(endpoint.startsWith('/') ? `unix:${endpoint}` : endpoint);
}
