import { apiConnectionSchema, balancerNetwork, connectApi, createReverseProxy, defaultCertificate, healthAddressSchema, managedNginx, nginxInstalled, runMain, switchConnector, tlsMaterial, verifyHtpasswd, vnetMemberSchema, withHealthServer } from '@orrery/node-io';
import { ConfigError, startAll, stopAll } from '@orrery/runtime';
import { createOwnSwitch } from '@orrery/vnet-link';
import { createIngress } from './component.ts';
import { ingressSchema } from './config.ts';

await runMain({
  name: 'ingress',
  summary: 'routes HTTP from this machine to Services, by Ingress rules',
  schema: { ...ingressSchema, ...healthAddressSchema, ...vnetMemberSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const api = connectApi(env, config, 'nginx-ingress-controller');
    const tls = tlsMaterial(config);
    const own = createOwnSwitch(env, {
      api,
      name: 'ingress',
      address: config.address,
      listen: config.vnetListen,
      advertiseHost: config.vnetAdvertiseHost,
      connect: switchConnector(tls),
      ...(tls ? { tls } : {}),
    });
    const fallbackCertificate = defaultCertificate(config, env.clock.now());
    const proxy = createReverseProxy({
      ...config,
      anyPortIfTaken: false,
      fallbackCertificate,
      dial: (to) => own.net.dial(to),
    });
    if (config.dataPlane === 'nginx' && !nginxInstalled()) throw new ConfigError('--data-plane=nginx needs the program nginx, which is not installed');
    const nginx = config.dataPlane === 'nginx' ? { nginx: managedNginx({ ...config, anyPortIfTaken: false, fallbackCertificate, dial: (to) => own.net.dial(to), log: (line) => env.log.info(line, { program: 'nginx' }) }) } : {};
    const parts = [own, createIngress(env, { api, proxy, verify: verifyHtpasswd, fallbackCertificate: fallbackCertificate.cert, streams: balancerNetwork(own.net), ...nginx }, config)];
    const all = { name: 'ingress', start: (signal?: AbortSignal) => startAll(parts, signal), stop: () => stopAll(parts), ready: () => parts.every((part) => part.ready()) };
    return withHealthServer(all, { env, address: config.healthAddress });
  },
});
