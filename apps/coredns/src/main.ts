import { apiConnectionSchema, connectApi, hostDns, runMain, switchConnector, tlsMaterial, vnetMemberSchema } from '@orrery/node-io';
import { startAll, stopAll } from '@orrery/runtime';
import { createOwnSwitch } from '@orrery/vnet-link';
import { createCoreDns } from './component.ts';
import { coreDnsSchema } from './config.ts';

await runMain({
  name: 'coredns',
  summary: 'answers DNS from the Services of the cluster',
  schema: { ...coreDnsSchema, ...vnetMemberSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const api = connectApi(env, config);
    const tls = tlsMaterial(config);
    const own = createOwnSwitch(env, {
      api,
      name: `coredns-${config.replica}`,
      address: config.address,
      listen: config.vnetListen,
      advertiseHost: config.vnetAdvertiseHost,
      connect: switchConnector(tls),
      ...(tls ? { tls } : {}),
    });
    const dns = createCoreDns(env, { api, net: own.net, replica: config.replica, host: hostDns(config.listen) }, config);
    const parts = [own, dns];
    return {
      name: 'coredns',
      start: (signal) => startAll(parts, signal),
      stop: () => stopAll(parts),
      ready: () => parts.every((part) => part.ready()),
      ...(dns.ended ? { ended: dns.ended } : {}),
    };
  },
});
