import { type Channel, type GrpcServer, grpcServer, inMemoryChannel } from '@orrery/rpc';
import type { ServeHttp } from '@orrery/node-io';
import { type Component, type Env, resolveConfig } from '@orrery/runtime';
import type { VnetSwitch } from '@orrery/vnet';
import { type ContainerRuntimeConfig, containerRuntimeSchema } from './config.ts';
import { imageService } from './cri/image-service.ts';
import { writableUse } from './cri/stats.ts';
import { ImageStore } from './cri/image-store.ts';
import type { LogSink } from './cri/logs.ts';
import type { MountSource } from './cri/mounts.ts';
import { NodeRuntime } from './cri/node-runtime.ts';
import { runtimeService } from './cri/runtime-service.ts';
import { type StreamingServer, createStreamingServer } from './streaming/streaming-server.ts';
import type { DialTls, ServerKit } from './process/proc.ts';
import { streamingUrls } from './streaming/urls.ts';

export type { LogSink } from './cri/logs.ts';
export { type MountSource, memoryMounts } from './cri/mounts.ts';
export { graftedTree } from './fs/composed-tree.ts';
export { hostTree } from './fs/host-tree.ts';
export type { Tree } from './fs/tree.ts';
export { type ContainerRuntimeConfig, containerRuntimeSchema } from './config.ts';
export { type StreamingServer, createStreamingServer } from './streaming/streaming-server.ts';

export interface ContainerRuntimeDeps {
  /** The node's switch, in memory. */
  readonly switch: VnetSwitch;
  /** Opens what the kubelet and hostPath volumes name on the node (`memoryMounts(volumeHost, clock)`). */
  readonly mounts: MountSource;
  /** Where container output goes (`MemoryLogs` of @orrery/cri); undefined drops it. */
  readonly logs?: LogSink;
  /** Starts HTTP servers (`serveHttp` of @orrery/node-io): exec, attach and port-forward need one. */
  readonly serveHttp?: ServeHttp;
  /** TLS for programs that are clients (`dialTlsOver` of @orrery/node-io); without it they cannot speak https. */
  readonly dialTls?: DialTls;
  /** TLS and gRPC for programs that are servers (`serveTlsOver`, `serveUnaryOver` of @orrery/node-io). */
  readonly servers?: ServerKit;
  /** A streaming server shared by many nodes, instead of one of its own. Its owner stops it. */
  readonly streaming?: StreamingServer;
}

export interface ContainerRuntime extends Component {
  /** Both CRI services, in memory. */
  channel(): Channel;
}

/** The settings' defaults with some replaced. */
export function runtimeConfig(overrides: Partial<ContainerRuntimeConfig> = {}): ContainerRuntimeConfig {
  return resolveConfig(containerRuntimeSchema, [overrides]);
}

function grpcAddress(listen: string): string {
  return listen.startsWith('unix://') ? `unix:${listen.slice('unix://'.length)}` : listen;
}

/** An emulated container runtime for one node. */
export function createContainerRuntime(env: Env, deps: ContainerRuntimeDeps, config: ContainerRuntimeConfig): ContainerRuntime {
  const images = new ImageStore(env, { pullMs: config.pullMs });
  const node = new NodeRuntime(env, {
    switch: deps.switch,
    images,
    mounts: deps.mounts,
    logs: deps.logs,
    memoryBytes: config.memoryBytes,
    cpus: config.cpus,
    initIgnoresSignals: config.initIgnoresSignals,
    runtimeHandlers: config.runtimeHandlers,
    dialTls: deps.dialTls,
    servers: deps.servers,
  });
  if (config.podCidr) node.setPodCidr(config.podCidr);
  const own = deps.streaming || !deps.serveHttp ? undefined : createStreamingServer(env, { serveHttp: deps.serveHttp, host: config.streamingHost, port: config.streamingPort });
  const streaming = deps.streaming ?? own;
  const urls = streaming && streamingUrls({ server: streaming, node, clock: env.clock });
  const services = [
    runtimeService(env, { node, streaming: () => urls }),
    imageService(env, { images, imageFsPath: '/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs', writable: () => writableUse(node.containers.values()) }),
  ];
  let server: GrpcServer | undefined;
  let running = false;
  return {
    name: 'container-runtime',
    channel: () => inMemoryChannel(services),
    async start() {
      if (config.listen) {
        server = grpcServer(services);
        await server.listen(grpcAddress(config.listen));
      }
      running = true;
    },
    async stop() {
      running = false;
      await own?.stop();
      await server?.stop();
      server = undefined;
      await node.shutDown();
    },
    ready: () => running,
  };
}
