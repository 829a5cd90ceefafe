import { type ApiServer, createApiServer } from '@orrery/apiserver/component';
import { createControllerManager } from '@orrery/controller-manager/component';
import { createContainerRuntime, memoryMounts, runtimeConfig } from '@orrery/container-runtime/component';
import { coreDnsSchema, createCoreDns } from '@orrery/coredns/component';
import { createKubeProxy } from '@orrery/kube-proxy/component';
import { createKubelet, kubeletSchema, memoryPlugins } from '@orrery/kubelet/component';
import { createScheduler, schedulerSchema } from '@orrery/scheduler/component';
import { createStore } from '@orrery/store/component';
import type { ApiClient } from '@orrery/client';
import type { MemoryLogs, MemoryVolumeHost, NodeMounts } from '@orrery/cri';
import type { Channel, ServedService } from '@orrery/rpc';
import { type Component, type Disk, type Env, resolveConfig, startAll, stopAll } from '@orrery/runtime';
import type { Fabric, VnetSwitch } from '@orrery/vnet';

/** What the parts of a simulated cluster are made of. */
export interface Materials {
  env(component: string): Env;
  readonly fabric: Fabric;
  readonly infra: VnetSwitch;
  readonly disk: Disk;
  /** Of a node, what its kubelet and its runtime share; made when first asked for. */
  machine(node: string): Machine;
  readonly nodeZone: (index: number) => string;
}

/** What of a node outlives its programs. */
export interface Machine {
  readonly volumes: MemoryVolumeHost;
  /** What of the cloud's disks is mounted there; undefined in a cluster without a cloud. */
  readonly disks: NodeMounts | undefined;
  readonly logs: MemoryLogs;
  readonly ip: string;
  readonly netSwitch: VnetSwitch;
}

export const hostAddress = '10.240.0.1';
const dnsAddress = '10.240.0.53';
export const dnsService = '10.96.0.10';
const noCa = '-----BEGIN CERTIFICATE-----\nc2ltdWxhdGVk\n-----END CERTIFICATE-----\n';

export function storePart({ env, disk }: Materials): ReturnType<typeof createStore> {
  return createStore(env('store'), { disk }, { dataDir: '/store', listenClient: [] });
}

export function apiServerPart({ env, infra }: Materials, store: Channel): ApiServer {
  return createApiServer(env('apiserver'), { store, clusterNet: infra.hostStack }, { advertiseAddress: hostAddress, port: 6443, grpcPort: -1 });
}

export function schedulerPart({ env }: Materials, api: ApiClient): Component {
  return createScheduler(env('scheduler'), { api, identity: 'simulated' }, resolveConfig(schedulerSchema, []));
}

export function controllerManagerPart({ env }: Materials, api: ApiClient, apiAs: (account: string) => ApiClient): Component {
  return createControllerManager(env('controller-manager'), { api, apiAs, rootCaPem: noCa, identity: 'simulated' }, {});
}

export function coreDnsPart({ env, infra }: Materials, api: ApiClient): Component {
  const { stack, detach } = attach(infra);
  const dns = createCoreDns(env('coredns'), { api, net: stack, replica: 'simulated' }, resolveConfig(coreDnsSchema, [{ serviceIp: dnsService }]));
  return {
    name: 'coredns',
    start: (signal) => dns.start(signal),
    ready: () => dns.ready(),
    async stop() {
      await dns.stop();
      detach();
    },
  };
}

function attach(infra: VnetSwitch): { stack: ReturnType<VnetSwitch['attach']>['stack']; detach: () => void } {
  const port = infra.attach({ ips: [dnsAddress] });
  return { stack: port.stack, detach: () => port.detach() };
}

export function proxyPart({ env, infra, machine }: Materials, api: ApiClient, nodes: readonly string[]): Component {
  const proxy = createKubeProxy(env('kube-proxy'), { api }, { minSyncPeriodMs: 5 });
  proxy.addNode({ nodeName: '', control: infra });
  for (const node of nodes) proxy.addNode({ nodeName: node, control: machine(node).netSwitch });
  return proxy;
}

export interface NodeOptions {
  readonly name: string;
  readonly index: number;
  /** A cloud-controller-manager tells the rest of the node. */
  readonly isInstance: boolean;
  /** Plug-ins of the kubelet, by the paths of their sockets; undefined: none. */
  readonly plugins: ReadonlyMap<string, readonly ServedService[]> | undefined;
}

/** The programs of one node: they live and die together. */
export function nodePart(materials: Materials, api: ApiClient, node: NodeOptions): Component {
  const { env, machine, nodeZone } = materials;
  const { volumes, logs, ip, netSwitch } = machine(node.name);
  const own = env(`kubelet-${node.name}`);
  const runtime = createContainerRuntime(own, { switch: netSwitch, mounts: memoryMounts(volumes, own.clock), logs }, runtimeConfig({ node: node.name, nodeIp: ip, pullMs: 0 }));
  const zone = nodeZone(node.index);
  const kubelet = createKubelet(
    own,
    { api, cri: runtime.channel(), volumes, logs, dialer: netSwitch.hostStack, ...(node.plugins ? { plugins: memoryPlugins(node.plugins) } : {}) },
    resolveConfig(kubeletSchema, [{ nodeName: node.name, nodeIps: [ip], ...(node.isInstance ? { cloudProvider: 'external' as const } : {}), ...(zone ? { nodeLabels: [`topology.kubernetes.io/zone=${zone}`] } : {}) }]),
  );
  const parts = [runtime, kubelet];
  return {
    name: `kubelet-${node.name}`,
    start: (signal) => startAll(parts, signal),
    stop: () => stopAll(parts),
    ready: () => parts.every((part) => part.ready()),
  };
}
