import { ImageServiceDefinition, RuntimeServiceDefinition } from '@orrery/proto/cri';
import { type Channel, type Client, type MethodDefinition, createClient, grpcChannel, withDeadlines } from '@orrery/rpc';

/** Both services of a runtime, typed. */
export interface CriClients {
  readonly runtime: Client<RuntimeServiceDefinition>;
  readonly images: Client<ImageServiceDefinition>;
}

/** Clients over a channel to a runtime: in memory (`inMemoryChannel`) or gRPC (`criChannel`). */
export function criClients(channel: Channel): CriClients {
  return { runtime: createClient(RuntimeServiceDefinition, channel), images: createClient(ImageServiceDefinition, channel) };
}

/** Upstream's default of `runtimeRequestTimeout`. */
const requestTimeoutMs = 120_000;

/** As upstream has it: a sandbox may take twice as long, a pull and a command as long as they take. */
function timeoutOf({ name }: MethodDefinition): number | undefined {
  if (name === 'PullImage' || name === 'ExecSync') return undefined;
  return name === 'RunPodSandbox' ? 2 * requestTimeoutMs : requestTimeoutMs;
}

function connect(endpoint: string): Channel {
  if (endpoint.startsWith('unix://')) return grpcChannel(`unix:${endpoint.slice('unix://'.length)}`, { serverName: 'localhost' });
  return grpcChannel(endpoint.startsWith('/') ? `unix:${endpoint}` : endpoint);
}

/** A gRPC channel to a runtime's endpoint: `unix:///run/containerd/containerd.sock`, a bare socket path, or `host:port`. Calls end in the time that upstream's kubelet gives them. */
export function criChannel(endpoint: string): Channel {
  return withDeadlines(connect(endpoint), timeoutOf);
}
