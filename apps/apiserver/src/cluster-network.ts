import type { TlsMaterial } from '@orrery/rpc';
import { type Component, type Env, startAll, stopAll } from '@orrery/runtime';
import type { NetStack } from '@orrery/vnet';
import { type OwnSwitchOptions, createOwnSwitch } from '@orrery/vnet-link';
import type { ApiServer } from './component.ts';

export interface ClusterNetwork {
  /** Of this server in the emulated network. */
  readonly address: string;
  /** `host:port` where other switches reach this one. */
  readonly listen: string;
  readonly advertiseHost: string;
  readonly tls: TlsMaterial | undefined;
  readonly connect: OwnSwitchOptions['connect'];
}

/**
 * An API server that is a process of its own, with a switch by which it reaches pods and services (webhooks, other servers' APIs,
 * proxies). It finds the other switches through itself.
 */
export function inClusterNetwork(env: Env, network: ClusterNetwork, create: (clusterNet: Pick<NetStack, 'dial'>) => ApiServer): Component {
  const { address, listen, advertiseHost, tls, connect } = network;
  const server = create({ dial: (to, options) => own.net.dial(to, options) });
  const api = server.client({ username: 'kube-apiserver', groups: ['system:masters', 'system:authenticated'] });
  const own = createOwnSwitch(env, { api, name: `apiserver-${address}`, address, listen, advertiseHost, connect, ...(tls ? { tls } : {}) });
  const parts = [server, own];
  return { name: server.name, start: (signal) => startAll(parts, signal), stop: () => stopAll(parts), ready: () => parts.every((part) => part.ready()) };
}
