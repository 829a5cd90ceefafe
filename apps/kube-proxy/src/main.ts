import { apiConnectionSchema, connectApi, exposeNodePorts, runMain, switchConnector, tlsMaterial, vnetMemberSchema } from '@orrery/node-io';
import { startAll, stopAll } from '@orrery/runtime';
import { createOwnSwitch, remoteSwitchControl } from '@orrery/vnet-link';
import { kubeProxySchema } from './config.ts';
import { createNodeProxy } from './node-proxy.ts';

await runMain({
  name: 'kube-proxy',
  summary: 'makes Services work on a node',
  schema: { ...kubeProxySchema, ...vnetMemberSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const api = connectApi(env, config);
    const tls = tlsMaterial(config);
    const connect = switchConnector(tls);
    const control = remoteSwitchControl(connect(config.vnetEndpoint), env.clock);
    if (!config.nodePortHost) return createNodeProxy(env, { api, control }, config);
    const own = createOwnSwitch(env, {
      api, connect,
      name: `node-ports-${config.nodeName}`,
      address: config.nodePortAddress,
      listen: config.vnetListen,
      advertiseHost: config.vnetAdvertiseHost,
      ...(tls ? { tls } : {}),
    });
    // Node ports are dialled at the node's own address, from an address of their own.
    const net = { ...own.net, ips: [config.nodeIp], dial: own.net.dial.bind(own.net), udp: own.net.udp.bind(own.net) };
    const nodePorts = exposeNodePorts({ net, host: config.nodePortHost, log: env.log });
    const parts = [own, createNodeProxy(env, { api, control, nodePorts }, config)];
    return { name: 'kube-proxy', start: (signal) => startAll(parts, signal), stop: () => stopAll(parts), ready: () => parts.every((part) => part.ready()) };
  },
});
