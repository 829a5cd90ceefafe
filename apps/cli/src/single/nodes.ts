import type { ApiClient } from '@orrery/client';
import { createEventRecorder } from '@orrery/client';
import { createContainerRuntime, memoryMounts, runtimeConfig } from '@orrery/container-runtime/component';
import { MemoryLogs, MemoryVolumeHost } from '@orrery/cri';
import type { KubeProxy } from '@orrery/kube-proxy/component';
import { type KubeletSources, createKubelet, createKubeletSources, kubeletSchema } from '@orrery/kubelet/component';
import type { Pki } from '@orrery/node-io';
import { type Component, type Env, resolveConfig, startAll, stopAll } from '@orrery/runtime';
import type { Fabric } from '@orrery/vnet';
import type { ClusterOptions } from '../cluster.ts';
import { nodeAddress, nodeName } from './addresses.ts';

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
}

function createNode(index: number, { deps, kubeletEnv, runtimeEnv, sources }: Shared): Component {
  const { options, fabric } = deps;
  const name = nodeName(index);
  const ip = nodeAddress(index);
  const user = deps.client(`system:node:${name}`, ['system:nodes']);
  const netSwitch = fabric.addSwitch({ node: name, nodeIp: ip });
  const volumes = new MemoryVolumeHost(kubeletEnv.clock.now);
  const logs = new MemoryLogs();
  const runtime = createContainerRuntime(runtimeEnv, { switch: netSwitch, mounts: memoryMounts(volumes, runtimeEnv.clock), logs }, runtimeConfig({ node: name, nodeIp: ip, pullMs: 0 }));
  const kubelet = createKubelet(
    kubeletEnv,
    { api: user, cri: runtime.channel(), volumes, logs, dialer: netSwitch.hostStack, sources, events: createEventRecorder(kubeletEnv, { api: user, component: 'kubelet', host: name }) },
    resolveConfig(kubeletSchema, [{ nodeName: name, nodeIps: [ip], cpu: options.node.cpu, memory: options.node.memory, maxPods: options.node.pods }]),
  );
  deps.proxy.addNode({ nodeName: name, control: netSwitch });
  const parts = [runtime, kubelet];
  return {
    name,
    start: (signal) => startAll(parts, signal),
    async stop() {
      await stopAll(parts);
      netSwitch.close();
    },
    ready: () => parts.every((part) => part.ready()),
  };
}

export function createEmulatedNodes(deps: EmulatedNodesDeps): EmulatedNodes {
  const kubeletEnv = deps.env('kubelet');
  const sources = createKubeletSources(kubeletEnv, { api: deps.client('system:kubelets', ['system:masters']) });
  const shared: Shared = { deps, kubeletEnv, runtimeEnv: deps.env('container-runtime'), sources };
  const nodes = Array.from({ length: deps.options.nodes }, (_, index) => createNode(index, shared));
  return {
    name: 'nodes',
    start: async (signal) => void (await Promise.all(nodes.map((node) => node.start(signal)))),
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
      sources.stop();
    },
    ready: () => nodes.every((node) => node.ready()),
  };
}
