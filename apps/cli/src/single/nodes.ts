import type { ApiClient } from '@orrery/client';
import type { KubeProxy } from '@orrery/kube-proxy/component';
import type { Pki } from '@orrery/node-io';
import type { Component, Env } from '@orrery/runtime';
import type { Fabric } from '@orrery/vnet';
import type { ClusterOptions } from '../cluster.ts';

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

export function createEmulatedNodes(deps: EmulatedNodesDeps): EmulatedNodes {
  void deps;
  return { name: 'nodes', start: () => Promise.resolve(), stop: () => Promise.resolve(), ready: () => true };
}
