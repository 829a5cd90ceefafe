import { readFileSync } from 'node:fs';
import { connectBus, runMain, serveHttp, switchConnector, vnetMemberSchema } from '@orrery/node-io';
import type { TlsMaterial } from '@orrery/rpc';
import type { NetStack } from '@orrery/vnet';
import { inClusterNetwork } from './cluster-network.ts';
import { createApiServer } from './component.ts';
import { apiServerSchema } from './config.ts';
import { storeChannel } from './storage/endpoints.ts';

/** Settings that hold PEM take a path as well. */
const pem = (value: string): string => (value === '' || value.includes('-----BEGIN') ? value : readFileSync(value, 'utf8'));
const material = (ca: string, cert: string, key: string): TlsMaterial | undefined => (ca ? { ca: pem(ca), ...(cert ? { cert: pem(cert), key: pem(key) } : {}) } : undefined);

await runMain({
  name: 'apiserver',
  summary: 'the Kubernetes API over a store that speaks etcd v3',
  schema: {
    ...apiServerSchema,
    ...vnetMemberSchema,
    vnetAddress: { type: 'string', default: '', help: 'address of this server in the emulated network, by which it reaches pods and services; as a member it shows --kubelet-client-cert. Empty: it reaches them from this machine' },
  },
  create({ env, faults, config: { vnetAddress, vnetListen, vnetAdvertiseHost, ...config } }) {
    const { etcdServerName, natsUrl } = config;
    const etcdTls = material(config.etcdCa, config.etcdCert, config.etcdKey);
    const store = storeChannel(config.etcdServers, { tls: etcdTls, serverName: etcdServerName, now: () => env.clock.monotonic(), random: env.random });
    const { tlsCert, tlsKey, clientCa, serviceAccountKey, kubeletCa, kubeletClientCert, kubeletClientKey, tokenAuth } = config;
    const { requestheaderClientCaFile, proxyClientCertFile, proxyClientKeyFile } = config;
    const given = { requestheaderClientCaFile, proxyClientCertFile, proxyClientKeyFile, tlsCert, tlsKey, clientCa, serviceAccountKey, kubeletCa, kubeletClientCert, kubeletClientKey };
    const files = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, pem(value)]));
    const tokens = tokenAuth.includes(',') ? tokenAuth : pem(tokenAuth);
    const feed = natsUrl ? { bus: connectBus(env, natsUrl, material(config.natsCa, config.natsCert, config.natsKey)) } : {};
    const create = (net: { clusterNet?: Pick<NetStack, 'dial'> }): ReturnType<typeof createApiServer> => {
      const server = createApiServer(env, { store, http: serveHttp, ...feed, ...net }, { ...config, ...files, tokenAuth: tokens });
      faults.followRequests(server.core.registry.faults);
      return server;
    };
    if (!vnetAddress) return create({});
    const tls = material(config.kubeletCa, config.kubeletClientCert, config.kubeletClientKey);
    const network = { address: vnetAddress, listen: vnetListen, advertiseHost: vnetAdvertiseHost, tls, connect: switchConnector(tls) };
    return inClusterNetwork(env, network, (clusterNet) => create({ clusterNet }));
  },
});
