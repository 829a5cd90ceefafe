import { type Component, type Env, startAll, stopAll } from '@orrery/runtime';
import type { KubeProxyConfig } from '../config.ts';
import { type LinuxProxyDeps, createLinuxProxy } from './component.ts';
import { createPodRoutes } from './pod-routes.ts';

export interface RealProxyDeps<C> extends LinuxProxyDeps {
  /** kube-proxy of the node's switch. */
  vnet(config: C): Component;
}

/**
 * kube-proxy of a node of a cluster whose pods have real addresses: the kernel gets the routes to pods of other nodes, too. With proxy mode vnet the
 * node's own pods live in the emulated network as well: they go by its switch, all else by the kernel, which gets the same Services and
 * policies, and the pods' addresses as its own. Health and metrics are those of the kernel's part.
 */
export function createRealProxy<C extends KubeProxyConfig & { readonly nodeName: string }>(env: Env, deps: RealProxyDeps<C>, config: C): Component {
  const isEmulated = config.proxyMode === 'vnet';
  const parts = [
    createPodRoutes(env, { api: deps.api, shell: deps.shell, nodeName: config.nodeName, localPods: isEmulated }),
    ...(isEmulated ? [deps.vnet({ ...config, healthzBindAddress: '', metricsBindAddress: '' })] : []),
    createLinuxProxy(env, deps, { ...config, proxyMode: isEmulated ? config.kernelMode : config.proxyMode, podNetwork: isEmulated ? 'real' : 'emulated' }),
  ];
  return { name: 'kube-proxy', start: (signal) => startAll(parts, signal), stop: () => stopAll(parts), ready: () => parts.every((part) => part.ready()) };
}
