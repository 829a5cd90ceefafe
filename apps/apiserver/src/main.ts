import { readFileSync } from 'node:fs';
import { connectBus, runMain, serveHttp } from '@orrery/node-io';
import { grpcChannel } from '@orrery/rpc';
import { createApiServer } from './component.ts';
import { apiServerSchema } from './config.ts';

/** Settings that hold PEM take a path as well. */
const pem = (value: string): string => (value === '' || value.includes('-----BEGIN') ? value : readFileSync(value, 'utf8'));

await runMain({
  name: 'apiserver',
  summary: 'the Kubernetes API over a store that speaks etcd v3',
  schema: apiServerSchema,
  create({ env, config }) {
    const { etcdCa, etcdCert, etcdKey, etcdServerName } = config;
    const tls = etcdCa ? { tls: { ca: pem(etcdCa), ...(etcdCert ? { cert: pem(etcdCert), key: pem(etcdKey) } : {}) }, ...(etcdServerName ? { serverName: etcdServerName } : {}) } : {};
    const store = grpcChannel(config.etcdServers.split(',')[0] ?? '', tls);
    const { tlsCert, tlsKey, clientCa, serviceAccountKey, kubeletCa, kubeletClientCert, kubeletClientKey, tokenAuth } = config;
    const given = { tlsCert, tlsKey, clientCa, serviceAccountKey, kubeletCa, kubeletClientCert, kubeletClientKey };
    const files = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, pem(value)]));
    const tokens = tokenAuth.includes(',') ? tokenAuth : pem(tokenAuth);
    const feed = config.natsUrl ? { bus: connectBus(env, config.natsUrl) } : {};
    return createApiServer(env, { store, http: serveHttp, ...feed }, { ...config, ...files, tokenAuth: tokens });
  },
});
