import { hostname } from 'node:os';
import { readFileSync } from 'node:fs';
import { criChannel, directoryManifests, directoryVolumeHost, fileLogSource, logsInNodeRoot, volumesInNodeRoot } from '@orrery/cri';
import { apiConnectionSchema, connectApi, dialHost, grpcHealthOverConn, runMain, serveHttp, switchConnector, tlsMaterial, tlsOverConn } from '@orrery/node-io';
import { switchDialer } from '@orrery/vnet-link';
import { kubeletSchema } from './config.ts';
import { loadConfiguration } from './configuration/load.ts';
import { settingsOf } from './configuration/settings.ts';
import type { KubeletConfiguration } from './configuration/types.ts';
import { createKubeletProcess, processSchema } from './process.ts';
import { kubeletServerSchema } from './server/kubelet-server.ts';

const schema = { ...apiConnectionSchema, ...kubeletSchema, ...kubeletServerSchema, ...processSchema };
let file: KubeletConfiguration | undefined;
const pem = (path: string): string => (path ? readFileSync(path, 'utf8') : '');

/** Upstream gives the server ten seconds. */
const fetchMs = 10_000;
const fetchManifest = async (url: string, headers: Readonly<Record<string, string>>): Promise<string> => {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(fetchMs) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return response.text();
};

await runMain({
  name: 'kubelet',
  summary: 'runs the pods of one node, or of many emulated ones',
  schema,
  readConfig(text) {
    file = loadConfiguration(text);
    return settingsOf(file);
  },
  create({ env, config }) {
    const { nodeRoot, vnetEndpoint } = config;
    const volumes = directoryVolumeHost({ stamp: () => `${Date.now()}.${env.random.name(6)}` });
    const connect = switchConnector(tlsMaterial(config));
    const component = createKubeletProcess(
      env,
      {
        api: connectApi(env, config),
        cri: (endpoint) => criChannel(endpoint),
        volumes: nodeRoot ? volumesInNodeRoot(volumes, nodeRoot) : volumes,
        manifests: directoryManifests(nodeRoot || '/'),
        fetchManifest,
        logs: nodeRoot ? logsInNodeRoot(fileLogSource, nodeRoot) : fileLogSource,
        dialer: vnetEndpoint ? switchDialer(connect(vnetEndpoint), { clock: env.clock, ip: config.nodeIps[0] ?? '' }) : { dial: ({ ip, port }) => dialHost({ host: ip, port }) },
        secure: { tls: tlsOverConn, grpcHealth: grpcHealthOverConn },
        serveHttp,
        ...(file ? { configuration: file } : {}),
        connectStreaming: (url) => dialHost({ host: url.hostname, port: Number(url.port) }),
        ...(config.serverCert ? { tls: { cert: pem(config.serverCert), key: pem(config.serverKey), ...(config.clientCa ? { clientCa: pem(config.clientCa) } : {}) } } : {}),
      },
      { ...config, nodeName: config.nodeName || hostname().toLowerCase() },
    );
    // What the kernel and containers of whole systems send when the power goes.
    process.on('SIGPWR', () => void component.shutdown());
    return component;
  },
});
