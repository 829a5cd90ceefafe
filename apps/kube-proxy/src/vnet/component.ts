import type { ApiClient } from '@orrery/client';
import { type VnetMember, exposeNodePorts } from '@orrery/node-io';
import type { Channel, TlsMaterial } from '@orrery/rpc';
import { type Component, type Env, startAll, stopAll } from '@orrery/runtime';
import { createOwnSwitch, remoteSwitchControl } from '@orrery/vnet-link';
import type { KubeProxyConfig } from '../config.ts';
import { createNodeProxy } from '../node-proxy.ts';
import { type ServeHttp } from '../servers.ts';

export interface VnetProxyDeps {
  readonly api: ApiClient;
  readonly tls?: TlsMaterial;
  readonly serveHttp: ServeHttp;
  connect(endpoint: string): Channel;
}

/** kube-proxy of a node of the emulated network, as a process of its own. */
export function createVnetProxy(env: Env, deps: VnetProxyDeps, config: KubeProxyConfig & VnetMember): Component {
  const { api, tls, connect, serveHttp } = deps;
  const control = remoteSwitchControl(connect(config.vnetEndpoint), env.clock);
  if (!config.nodePortHost.length) return createNodeProxy(env, { api, control, serveHttp }, config);
  const own = createOwnSwitch(env, {
    api, connect,
    name: `node-ports-${config.nodeName}`,
    address: config.nodePortAddress,
    listen: config.vnetListen,
    advertiseHost: config.vnetAdvertiseHost,
    ...(tls ? { tls } : {}),
  });
  // Node ports are dialled at the node's own addresses, from an address of their own.
  const net = { ...own.net, ips: config.nodeIp.split(','), dial: own.net.dial.bind(own.net), udp: own.net.udp.bind(own.net) };
  const nodePorts = exposeNodePorts({ net, hosts: config.nodePortHost, log: env.log });
  const parts = [own, createNodeProxy(env, { api, control, nodePorts, serveHttp }, config)];
  return { name: 'kube-proxy', start: (signal) => startAll(parts, signal), stop: () => stopAll(parts), ready: () => parts.every((part) => part.ready()) };
}
