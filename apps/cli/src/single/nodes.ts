import { join } from 'node:path';
import { Nodes } from '@orrery/api';
import type { ApiClient } from '@orrery/client';
import { type EventQueue, createEventQueue, createEventRecorder, sharedEventPace } from '@orrery/client';
import { createContainerRuntime, runtimeConfig } from '@orrery/container-runtime/component';
import { MemoryLogs, directoryManifests } from '@orrery/cri';
import { type NodeCaches, nodeCacheAddress } from '@orrery/coredns/component';
import type { KubeProxy } from '@orrery/kube-proxy/component';
import { type Kubelet, type KubeletSources, type StartGate, createJournal, createKubelet, createKubeletServer, createKubeletSources, createStartGate, kubeletSchema, kubeletServerSchema, memoryPlugins } from '@orrery/kubelet/component';
import { isNotFound } from '@orrery/errors';
import { type HttpHandler, type Pki, dialHost, dialTlsOver, grpcHealthOverConn, serveHttp, serveTlsOver, serveUnaryOver, tlsOverConn } from '@orrery/node-io';
import { type Component, type Env, resolveConfig, startAll, stopAll } from '@orrery/runtime';
import type { Fabric } from '@orrery/vnet';
import type { ClusterOptions } from '../cluster.ts';
import { isDualStack, primaryFirst } from '../extra-config.ts';
import type { ServedService } from '@orrery/rpc';
import { UserError } from '../user-error.ts';
import { type AddedNode, AddedNodes, type NodeControl } from './added-nodes.ts';
import { nodeAddress, nodeAddresses, nodeName } from './addresses.ts';
import { type KubeletExtra, kubeletExtra } from './kubelet-extra.ts';
import { kubeletPort, nodeKubeletPort } from './kubelet-port.ts';
import { type NodeFiles, nodeFiles } from './node-files.ts';

/** The emulated nodes of a process: a switch, a container runtime and a kubelet each. */
export interface EmulatedNodes extends Component {
  readonly control: NodeControl;
  readonly instances: InstanceHost;
}

/** Machines of a cloud that are nodes of this process. */
export interface InstanceHost {
  /** Names of those that are switched on. */
  list(): readonly string[];
  /** Resolves when the kubelet has started; its Node waits for a cloud-controller-manager. Throws UserError for a name that is taken, and while the cluster is starting. */
  start(machine: { readonly name: string; readonly ips: readonly string[]; readonly cpu: string; readonly memory: string; readonly labels: readonly string[] }): Promise<void>;
  /** Switches it off; the Node stays. */
  stop(name: string): Promise<void>;
}

export interface EmulatedNodesDeps {
  readonly options: ClusterOptions;
  readonly fabric: Fabric;
  readonly pki: Pki;
  readonly env: (component: string) => Env;
  readonly client: (user: string, groups?: readonly string[]) => ApiClient;
  readonly proxy: KubeProxy;
  /** DNS caches of nodes; undefined: pods ask the cluster's DNS. */
  readonly dnsCaches?: NodeCaches;
  /** Plug-ins of a node's kubelet, by the paths of their sockets; undefined: none. */
  readonly plugins?: (node: string, files: NodeFiles) => ReadonlyMap<string, readonly ServedService[]>;
}

/** What the nodes of one process share. */
interface Shared {
  readonly deps: EmulatedNodesDeps;
  readonly extra: KubeletExtra;
  readonly kubeletEnv: Env;
  readonly runtimeEnv: Env;
  readonly sources: KubeletSources;
  readonly events: EventQueue;
  readonly starts: StartGate;
  /** host:port of the kubelet API that all nodes share. */
  readonly endpoint: string;
  /** That API, for a node alone. */
  readonly kubeletApi: (node: string) => HttpHandler;
}

interface EmulatedNode extends Component {
  readonly kubelet: Kubelet;
}

interface NodeSpec extends Omit<AddedNode, 'index'> {
  /** Of IPv4, then of IPv6 if it has one. */
  readonly ips: readonly string[];
  /** A cloud-controller-manager tells the rest of it. */
  readonly isInstance?: boolean;
}

function createNode(spec: NodeSpec, { deps, extra, kubeletEnv, runtimeEnv, sources, events, starts, endpoint, kubeletApi }: Shared): EmulatedNode {
  const { options, fabric } = deps;
  const { name, ips } = spec;
  const [ip = '', secondIp] = ips;
  const user = deps.client(`system:node:${name}`, ['system:nodes']);
  const netSwitch = fabric.addSwitch({ node: name, nodeIp: ip, secondIp });
  if (deps.dnsCaches) {
    netSwitch.addLocalAddress(nodeCacheAddress);
    deps.dnsCaches.add(name, netSwitch.hostStack);
  }
  const root = join(options.dir.root, 'nodes', name);
  const files = nodeFiles(kubeletEnv, { root, hostname: name, ip });
  const { mounts, volumes } = files;
  const logs = new MemoryLogs();
  const runtime = createContainerRuntime(runtimeEnv, { switch: netSwitch, mounts, logs, serveHttp, dialTls: dialTlsOver, servers: { tls: serveTlsOver, unary: serveUnaryOver } }, runtimeConfig({ node: name, nodeIp: ip, pullMs: 0 }));
  const { configuration } = extra;
  // One for each: whoever asks a node is told of its kubelet alone.
  const journal = configuration?.enableSystemLogQuery ? createJournal(kubeletEnv.clock, kubeletEnv.log) : undefined;
  const kubelet = createKubelet(
    journal ? { ...kubeletEnv, log: journal.log } : kubeletEnv,
    {
      api: user,
      cri: runtime.channel(),
      volumes,
      logs,
      manifests: directoryManifests(root),
      ...(deps.plugins ? { plugins: memoryPlugins(deps.plugins(name, files)) } : {}),
      dialer: netSwitch.hostStack,
      secure: { tls: tlsOverConn, grpcHealth: grpcHealthOverConn },
      sources,
      events: createEventRecorder(kubeletEnv, { api: user, component: 'kubelet', host: name, queue: events }),
      starts,
      ...(configuration ? { configuration } : {}),
      ...(journal ? { journal } : {}),
    },
    resolveConfig(kubeletSchema, [
      extra.fromFile(kubeletSchema),
      { nodeName: name, nodeIps: primaryFirst(ips, options.extra), cpu: spec.cpu, memory: spec.memory, maxPods: spec.pods, port: nodeKubeletPort, nodeLabels: spec.labels, ...(spec.taints.length ? { registerWithTaints: spec.taints } : {}), ...(spec.isInstance ? { cloudProvider: 'external' as const } : {}), kubeletEndpoint: endpoint, podManifestPath: '/etc/kubernetes/manifests', ...(deps.dnsCaches ? { clusterDns: [nodeCacheAddress] } : {}) },
      extra.flags,
    ]),
  );
  deps.proxy.addNode({ nodeName: name, control: netSwitch, host: netSwitch.hostStack });
  const port = kubeletPort(netSwitch.hostStack, { name, ips, pki: deps.pki, handler: () => kubeletApi(name) });
  const parts = [runtime, kubelet];
  return {
    name,
    kubelet,
    start: (signal) => startAll(parts, signal),
    async stop() {
      await stopAll(parts);
      deps.proxy.removeNode(name);
      deps.dnsCaches?.remove(name);
      await port.close();
      netSwitch.close();
    },
    ready: () => parts.every((part) => part.ready()),
  };
}

/** One kubelet API for all nodes of the process: it finds the pod, or the node that the request names. */
function createServer(env: Env, { deps, extra }: Pick<Shared, 'deps' | 'extra'>, kubelets: () => Iterable<Kubelet>): ReturnType<typeof createKubeletServer> {
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
      ...(extra.configuration ? { configuration: extra.configuration } : {}),
    },
    resolveConfig(kubeletServerSchema, [extra.fromFile(kubeletServerSchema), { bindAddress: '127.0.0.1', serverPort: 0, healthzPort: -1, readOnlyPort: 0 }]),
  );
}

export function createEmulatedNodes(deps: EmulatedNodesDeps): EmulatedNodes {
  const kubeletEnv = deps.env('kubelet');
  const runtimeEnv = deps.env('container-runtime');
  const sources = createKubeletSources(kubeletEnv, { api: deps.client('system:kubelets', ['system:masters']), shared: true });
  const nodes: EmulatedNode[] = [];
  const extra = kubeletExtra(deps.options.extra);
  const server = createServer(kubeletEnv, { deps, extra }, () => nodes.map((node) => node.kubelet));
  const { options } = deps;
  const added = new AddedNodes(options.dir.root);
  let shared: Shared | undefined;
  const create = (spec: Omit<NodeSpec, 'ips'>, index: number): EmulatedNode => {
    if (!shared) throw new UserError('the cluster is still starting: try again in a moment');
    const node = createNode({ ...spec, ips: nodeAddresses(nodeAddress(index), isDualStack(options.extra)) }, shared);
    nodes.push(node);
    return node;
  };
  const machines = new Map<string, EmulatedNode>();
  const names = (): string[] => nodes.map(({ name }) => name);
  const control: NodeControl = {
    list: names,
    async add(request) {
      const spec = added.plan(request, { first: options.nodes, names: names(), defaults: options.node });
      await create(spec, spec.index).start();
      added.save([...added.list(), spec]);
      return spec.name;
    },
    async remove(name) {
      if (machines.has(name)) throw new UserError(`${name} is an instance of the cloud: \`orrery cloud instance terminate ${name}\` ends it`);
      const at = nodes.findIndex((node) => node.name === name);
      const [gone] = at < 0 ? [] : nodes.splice(at, 1);
      if (!gone) throw new UserError(`there is no node ${name}`);
      await gone.stop();
      added.save(added.list().filter((node) => node.name !== name));
      await deps.client('system:kubelets', ['system:masters']).delete(Nodes, { name }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    },
  };
  const instances: InstanceHost = {
    list: () => [...machines.keys()],
    async start({ name, ips, ...amounts }) {
      if (!shared) throw new UserError('the cluster is still starting');
      if (names().includes(name)) throw new UserError(`there is a node ${name} already`);
      const node = createNode({ ...amounts, name, ips, pods: options.node.pods, taints: [], isInstance: true }, shared);
      nodes.push(node);
      machines.set(name, node);
      await node.start();
    },
    async stop(name) {
      const node = machines.get(name);
      if (!node) return;
      machines.delete(name);
      nodes.splice(nodes.indexOf(node), 1);
      await node.stop();
    },
  };
  return {
    name: 'nodes',
    control,
    instances,
    async start(signal) {
      await server.start(signal);
      shared = { deps, extra, kubeletEnv, runtimeEnv, sources, events: createEventQueue(kubeletEnv.clock, sharedEventPace), starts: createStartGate(kubeletEnv.clock), endpoint: `127.0.0.1:${server.port}`, kubeletApi: (node) => server.handlerOf(node) };
      for (let index = 0; index < options.nodes; index++) create({ name: nodeName(index), ...options.node, labels: [], taints: [] }, index);
      for (const spec of added.list()) if (spec.index >= options.nodes) create(spec, spec.index);
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
