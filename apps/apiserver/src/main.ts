import { readFileSync } from 'node:fs';
import { connectBus, runMain, serveHttp } from '@orrery/node-io';
import { type TlsMaterial, grpcChannel } from '@orrery/rpc';
import { createApiServer } from './component.ts';
import { apiServerSchema } from './config.ts';

/** Settings that hold PEM take a path as well. */
const pem = (value: string): string => (value === '' || value.includes('-----BEGIN') ? value : readFileSync(value, 'utf8'));
const material = (ca: string, cert: string, key: string): TlsMaterial | undefined => (ca ? { ca: pem(ca), ...(cert ? { cert: pem(cert), key: pem(key) } : {}) } : undefined);

await runMain({
  name: 'apiserver',
  summary: 'the Kubernetes API over a store that speaks etcd v3',
  schema: apiServerSchema,
  create({ env, config }) {
    const { etcdServerName, natsUrl } = config;
    const etcdTls = material(config.etcdCa, config.etcdCert, config.etcdKey);
    const store = grpcChannel(config.etcdServers.split(',')[0] ?? '', etcdTls ? { tls: etcdTls, ...(etcdServerName ? { serverName: etcdServerName } : {}) } : {});
    const { tlsCert, tlsKey, clientCa, serviceAccountKey, kubeletCa, kubeletClientCert, kubeletClientKey, tokenAuth } = config;
    const { requestheaderClientCaFile, proxyClientCertFile, proxyClientKeyFile } = config;
    const given = { requestheaderClientCaFile, proxyClientCertFile, proxyClientKeyFile, tlsCert, tlsKey, clientCa, serviceAccountKey, kubeletCa, kubeletClientCert, kubeletClientKey };
    const files = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, pem(value)]));
    const tokens = tokenAuth.includes(',') ? tokenAuth : pem(tokenAuth);
    const feed = natsUrl ? { bus: connectBus(env, natsUrl, material(config.natsCa, config.natsCert, config.natsKey)) } : {};
    return createApiServer(env, { store, http: serveHttp, ...feed }, { ...config, ...files, tokenAuth: tokens });
  },
});
