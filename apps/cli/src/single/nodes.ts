import { join } from 'node:path';
import type { ApiClient } from '@orrery/client';
import { type EventQueue, createEventQueue, createEventRecorder } from '@orrery/client';
import { createContainerRuntime, runtimeConfig } from '@orrery/container-runtime/component';
import { MemoryLogs, directoryManifests } from '@orrery/cri';
import type { KubeProxy } from '@orrery/kube-proxy/component';
import { type Kubelet, type KubeletSources, createKubelet, createKubeletServer, createKubeletSources, kubeletSchema, kubeletServerSchema } from '@orrery/kubelet/component';
import { type Pki, dialHost, dialTlsOver, grpcHealthOverConn, serveHttp, serveTlsOver, serveUnaryOver, tlsOverConn } from '@orrery/node-io';
import { type Component, type Env, resolveConfig, startAll, stopAll } from '@orrery/runtime';
import type { Fabric } from '@orrery/vnet';
import type { ClusterOptions } from '../cluster.ts';
import { extraSettings } from '../extra-config.ts';
import { nodeAddress, nodeName } from './addresses.ts';
import { nodeFiles } from './node-files.ts';

/** The emulated nodes of a process: a switch, a container runtime and a kubelet each. */
export type EmulatedNodes = Component;

export interface EmulatedNodesDeps {
  readonly options: ClusterOptions;
  readonly fabric: Fabric;
  readonly pki: Pki;
  readonly env: (component: string) => Env;
  readonly client: (user: string, groups?: readonly string[]) => ApiClient;
  readonly proxy: KubeProxy;
}

/** What the nodes of one process share. */
interface Shared {
  readonly deps: EmulatedNodesDeps;
  readonly kubeletEnv: Env;
  readonly runtimeEnv: Env;
  readonly sources: KubeletSources;
  readonly events: EventQueue;
  /** host:port of the kubelet API that all nodes share. */
  readonly endpoint: string;
}

interface EmulatedNode extends Component {
  readonly kubelet: Kubelet;
}

function createNode(index: number, { deps, kubeletEnv, runtimeEnv, sources, events, endpoint }: Shared): EmulatedNode {
  const { options, fabric } = deps;
  const name = nodeName(index);
  const ip = nodeAddress(index);
  const user = deps.client(`system:node:${name}`, ['system:nodes']);
  const netSwitch = fabric.addSwitch({ node: name, nodeIp: ip });
  const root = join(options.dir.root, 'nodes', name);
  const { mounts, volumes } = nodeFiles(kubeletEnv, { root, hostname: name, ip });
  const logs = new MemoryLogs();
  const runtime = createContainerRuntime(runtimeEnv, { switch: netSwitch, mounts, logs, serveHttp, dialTls: dialTlsOver, servers: { tls: serveTlsOver, unary: serveUnaryOver } }, runtimeConfig({ node: name, nodeIp: ip, pullMs: 0 }));
  const kubelet = createKubelet(
    kubeletEnv,
    {
      api: user,
      cri: runtime.channel(),
      volumes,
      logs,
      manifests: directoryManifests(root),
      dialer: netSwitch.hostStack,
      secure: { tls: tlsOverConn, grpcHealth: grpcHealthOverConn },
      sources,
      events: createEventRecorder(kubeletEnv, { api: user, component: 'kubelet', host: name, queue: events }),
    },
    resolveConfig(kubeletSchema, [
      { nodeName: name, nodeIps: [ip], cpu: options.node.cpu, memory: options.node.memory, maxPods: options.node.pods, kubeletEndpoint: endpoint, port: Number(endpoint.split(':')[1]), podManifestPath: '/etc/kubernetes/manifests' },
      extraSettings('kubelet', options.extra),
    ]),
  );
  deps.proxy.addNode({ nodeName: name, control: netSwitch });
  const parts = [runtime, kubelet];
  return {
    name,
    kubelet,
    start: (signal) => startAll(parts, signal),
    async stop() {
      await stopAll(parts);
      netSwitch.close();
    },
    ready: () => parts.every((part) => part.ready()),
  };
}

/** One kubelet API for all nodes of the process: it finds the pod, or the node that the request names. */
function createServer(env: Env, deps: EmulatedNodesDeps, kubelets: () => Iterable<Kubelet>): ReturnType<typeof createKubeletServer> {
  const { cert, key } = deps.pki.servingCert('kubelet', {
    subject: { commonName: 'system:node:orrery', organizations: ['system:nodes'] },
    altNames: { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] },
  });
  return createKubeletServer(
    env,
    {
      kubelets,
      api: deps.client('system:kubelets', ['system:masters']),
      serveHttp,
      tls: { cert, key, clientCa: deps.pki.caCert },
      connectStreaming: (url) => dialHost({ host: url.hostname, port: Number(url.port) }),
    },
    resolveConfig(kubeletServerSchema, [{ serverPort: 0, healthzPort: -1 }]),
  );
}

export function createEmulatedNodes(deps: EmulatedNodesDeps): EmulatedNodes {
  const kubeletEnv = deps.env('kubelet');
  const runtimeEnv = deps.env('container-runtime');
  const sources = createKubeletSources(kubeletEnv, { api: deps.client('system:kubelets', ['system:masters']), shared: true });
  const nodes: EmulatedNode[] = [];
  const server = createServer(kubeletEnv, deps, () => nodes.map((node) => node.kubelet));
  return {
    name: 'nodes',
    async start(signal) {
      await server.start(signal);
      const shared: Shared = { deps, kubeletEnv, runtimeEnv, sources, events: createEventQueue(), endpoint: `127.0.0.1:${server.port}` };
      for (let index = 0; index < deps.options.nodes; index++) nodes.push(createNode(index, shared));
      await Promise.all(nodes.map((node) => node.start(signal)));
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
      await server.stop();
      sources.stop();
    },
    ready: () => nodes.every((node) => node.ready()),
  };
}
