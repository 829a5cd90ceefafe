import { apiConnectionSchema, connectApi, hostDns, runMain, switchConnector, tlsMaterial, vnetMemberSchema } from '@orrery/node-io';
import type { Component } from '@orrery/runtime';
import { allOf } from './all-of.ts';
import { createOwnSwitch } from '@orrery/vnet-link';
import { addressAfter, asNodeCache, createCoreDns, createNodeCaches, createScaledDns } from './component.ts';
import { coreDnsSchema } from './config.ts';

await runMain({
  name: 'coredns',
  summary: 'answers DNS from the Services of the cluster',
  schema: { ...coreDnsSchema, ...vnetMemberSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const api = connectApi(env, config, 'coredns');
    const tls = tlsMaterial(config);
    if (config.nodeCache) {
      const name = `node-local-dns-${config.nodeCache}`;
      const own = createOwnSwitch(env, { api, name, address: config.address, listen: config.vnetListen, advertiseHost: config.vnetAdvertiseHost, connect: switchConnector(tls), ...(tls ? { tls } : {}) });
      const caches = createNodeCaches(env, { api, program: own.program }, config);
      caches.add(config.nodeCache, asNodeCache(own.net));
      return allOf('node-local-dns', [own, caches]);
    }
    const server = (replica: string, at: { address: string; vnetListen: string; listen: string }): Component => {
      const own = createOwnSwitch(env, {
        api,
        name: `coredns-${replica}`,
        address: at.address,
        listen: at.vnetListen,
        advertiseHost: config.vnetAdvertiseHost,
        connect: switchConnector(tls),
        ...(tls ? { tls } : {}),
      });
      const dns = createCoreDns(env, { api, net: own.net, replica, host: hostDns(at.listen) }, { ...config, address: at.address });
      return allOf('coredns', [own, dns]);
    };
    const anyPort = `${config.vnetListen.slice(0, config.vnetListen.lastIndexOf(':'))}:0`;
    const another = (n: number): Component => server(`${config.replica}-${n}`, { address: addressAfter(config.address, n), vnetListen: anyPort, listen: '' });
    return createScaledDns(env, { api, first: server(config.replica, config), another });
  },
});
