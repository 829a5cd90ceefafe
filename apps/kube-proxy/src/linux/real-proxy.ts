import { type Component, type Env, startAll, stopAll } from '@orrery/runtime';
import type { KubeProxyConfig } from '../config.ts';
import { type LinuxProxyDeps, createLinuxProxy } from './component.ts';
import { createPodRoutes } from './pod-routes.ts';

export interface RealProxyDeps<C> extends LinuxProxyDeps {
  /** kube-proxy of the node's switch. */
  vnet(config: C): Component;
}

/**
 * kube-proxy of a node whose pods have real addresses, and live in the emulated network as well: pods go by its switch, all else by the kernel, which
 * gets the same Services and policies, and the routes to pods. Health and metrics are those of the kernel's part.
 */
export function createRealProxy<C extends KubeProxyConfig>(env: Env, deps: RealProxyDeps<C>, config: C): Component {
  const { api, shell, nodeName } = { ...deps, ...config };
  const parts = [
    createPodRoutes(env, { api, shell, nodeName }),
    deps.vnet({ ...config, healthzBindAddress: '', metricsBindAddress: '' }),
    createLinuxProxy(env, deps, { ...config, proxyMode: config.kernelMode }),
  ];
  return { name: 'kube-proxy', start: (signal) => startAll(parts, signal), stop: () => stopAll(parts), ready: () => parts.every((part) => part.ready()) };
}
