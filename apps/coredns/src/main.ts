import { apiConnectionSchema, connectApi, dnsUpstream, hostDns, runMain, switchConnector, tlsMaterial, vnetMemberSchema } from '@orrery/node-io';
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
    const host = config.listen ? { host: hostDns(config.listen) } : {};
    const upstream = config.forward.length ? { upstream: dnsUpstream(config.forward) } : {};
    const parts = [own, createCoreDns(env, { api, net: own.net, replica: config.replica, ...host, ...upstream }, config)];
    return { name: 'coredns', start: (signal) => startAll(parts, signal), stop: () => stopAll(parts), ready: () => parts.every((part) => part.ready()) };
  },
});
