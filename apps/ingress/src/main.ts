import { readFileSync } from 'node:fs';
import { apiConnectionSchema, connectApi, createReverseProxy, runMain, switchConnector, tlsMaterial, vnetMemberSchema } from '@orrery/node-io';
import { startAll, stopAll } from '@orrery/runtime';
import { createOwnSwitch } from '@orrery/vnet-link';
import { createIngress } from './component.ts';
import { ingressSchema } from './config.ts';

await runMain({
  name: 'ingress',
  summary: 'routes HTTP from this machine to Services, by Ingress rules',
  schema: { ...ingressSchema, ...vnetMemberSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const api = connectApi(env, config);
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
    const pem = (path: string): string => readFileSync(path, 'utf8');
    const proxy = createReverseProxy({
      ...config,
      anyPortIfTaken: false,
      fallbackCertificate: { cert: pem(config.defaultCert), key: pem(config.defaultKey) },
      dial: (to) => own.net.dial(to),
    });
    const parts = [own, createIngress(env, { api, proxy }, config)];
    return { name: 'ingress', start: (signal) => startAll(parts, signal), stop: () => stopAll(parts), ready: () => parts.every((part) => part.ready()) };
  },
});
