import { hostname } from 'node:os';
import { existsSync, readFileSync } from 'node:fs';
import { type ApiClient, createRestApiClient, userAgentOf } from '@orrery/client';
import { criChannel, directoryManifests, directoryVolumeHost, fileLogSource, logsInNodeRoot, unixPlugins, volumesInNodeRoot } from '@orrery/cri';
import { apiConnectionSchema, certificateStore, connectApi, createHttpClient, dialHost, generateKey, grpcHealthOverConn, loadKubeconfig, replaceFile, runMain, serveHttp, signCertificate, switchConnector, tlsMaterial, tlsOverConn } from '@orrery/node-io';
import { type ConfigOf, ConfigError, type Env } from '@orrery/runtime';
import { switchDialer } from '@orrery/vnet-link';
import { stringify } from 'yaml';
import { joinCluster, servingCertificates } from './certificates/node-identity.ts';
import { kubeletSchema } from './config.ts';
import { loadConfiguration } from './configuration/load.ts';
import { settingsOf } from './configuration/settings.ts';
import type { KubeletConfiguration } from './configuration/types.ts';
import { createJournal } from './logs/journal.ts';
import { createKubeletProcess, processSchema } from './process.ts';
import { kubeletServerSchema } from './server/kubelet-server.ts';

const schema = { ...apiConnectionSchema, ...kubeletSchema, ...kubeletServerSchema, ...processSchema };
type Config = ConfigOf<typeof schema>;

let file: KubeletConfiguration | undefined;
const pem = (path: string): string => (path ? readFileSync(path, 'utf8') : '');

/** Upstream gives the server ten seconds. */
const fetchMs = 10_000;
const fetchManifest = async (url: string, headers: Readonly<Record<string, string>>): Promise<string> => {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(fetchMs) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return response.text();
};

/** Writes the kubeconfig that the node has earned, for others on the machine and for the next start: as a whole, since one that is there is not written again. */
function writeKubeconfig(path: string, { server, ca, certificate }: { server: string; ca: string | undefined; certificate: string }): void {
  const cluster = { server, ...(ca ? { 'certificate-authority-data': Buffer.from(ca).toString('base64') } : {}) };
  const user = { 'client-certificate': certificate, 'client-key': certificate };
  const text = stringify({ apiVersion: 'v1', kind: 'Config', clusters: [{ name: 'default-cluster', cluster }], users: [{ name: 'default-auth', user }], contexts: [{ name: 'default-context', context: { cluster: 'default-cluster', namespace: 'default', user: 'default-auth' } }], 'current-context': 'default-context' });
  replaceFile(path, text);
}

/** The API server as the node itself; with `--bootstrap-kubeconfig` by a certificate that is asked for first. */
async function connect(env: Env, config: Config, nodeName: string): Promise<ApiClient> {
  if (!config.bootstrapKubeconfig) return connectApi(env, config, 'kubelet');
  if (config.nodes.length > 1) throw new ConfigError('--bootstrap-kubeconfig is for one node, not for --nodes');
  const { token, cert, key, ...access } = loadKubeconfig(config.bootstrapKubeconfig);
  const host = new URL(access.server).host;
  const store = certificateStore(config.certDir, 'kubelet-client');
  // Whoever ends the program while nobody approves the request does not wait for that.
  const leave = (): void => process.exit(0);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, leave);
  const { api } = await joinCluster(env, {
    nodeName,
    store,
    rotate: config.rotateCertificates,
    bootstrap: () => createRestApiClient({ http: createHttpClient({ ...access, ...(cert ? { cert } : {}), ...(key ? { key } : {}) }), env, host, userAgent: userAgentOf('kubelet'), ...(token ? { token } : {}) }),
    connect: (identity) => createRestApiClient({ http: createHttpClient({ ...access, ...identity }), env, host, userAgent: userAgentOf('kubelet') }),
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, leave);
  if (config.kubeconfig && !existsSync(config.kubeconfig)) writeKubeconfig(config.kubeconfig, { server: access.server, ca: access.ca, certificate: store.path });
  return api;
}

/** What is shown until the first serving certificate has been issued: nobody trusts it. */
function placeholder(commonName: string, nowMs: number): { cert: string; key: string } {
  const { key, publicKey } = generateKey();
  const cert = signCertificate({ subject: { commonName }, publicKey, altNames: {}, usages: ['digital signature', 'server auth'], notBefore: nowMs, notAfter: nowMs + 365 * 24 * 3_600_000 }, { key });
  return { cert, key };
}

await runMain({
  name: 'kubelet',
  summary: 'runs the pods of one node, or of many emulated ones',
  schema,
  readConfig(text) {
    file = loadConfiguration(text);
    return settingsOf(file);
  },
  async create({ env: given, config }) {
    // Nobody can ask for it otherwise.
    const journal = file?.enableSystemLogQuery ? createJournal(given.clock, given.log) : undefined;
    const env = journal ? { ...given, log: journal.log } : given;
    const { nodeRoot, vnetEndpoint } = config;
    const nodeName = config.nodeName || hostname().toLowerCase();
    const volumes = directoryVolumeHost({ stamp: () => `${Date.now()}.${env.random.name(6)}` });
    const connectSwitch = switchConnector(tlsMaterial(config));
    const api = await connect(env, config, nodeName);
    const store = certificateStore(config.certDir, 'kubelet-server');
    const serving = config.rotateServerCertificates ? (store.load() ?? placeholder(nodeName, env.clock.now())) : config.serverCert ? { cert: pem(config.serverCert), key: pem(config.serverKey) } : undefined;
    const component = createKubeletProcess(
      env,
      {
        api,
        cri: (endpoint) => criChannel(endpoint),
        volumes: nodeRoot ? volumesInNodeRoot(volumes, nodeRoot) : volumes,
        manifests: directoryManifests(nodeRoot || '/'),
        plugins: unixPlugins(nodeRoot || '/'),
        fetchManifest,
        logs: nodeRoot ? logsInNodeRoot(fileLogSource, nodeRoot) : fileLogSource,
        dialer: vnetEndpoint ? switchDialer(connectSwitch(vnetEndpoint), { clock: env.clock, ip: config.nodeIps[0] ?? '' }) : { dial: ({ ip, port }) => dialHost({ host: ip, port }) },
        secure: { tls: tlsOverConn, grpcHealth: grpcHealthOverConn },
        serveHttp,
        ...(file ? { configuration: file } : {}),
        ...(journal ? { journal } : {}),
        connectStreaming: (url) => dialHost({ host: url.hostname, port: Number(url.port) }),
        ...(serving ? { tls: { ...serving, ...(config.clientCa ? { clientCa: pem(config.clientCa) } : {}) } } : {}),
      },
      { ...config, nodeName },
    );
    if (config.rotateServerCertificates) {
      const altNames = { dnsNames: [config.hostname || nodeName], ipAddresses: [...config.nodeIps] };
      servingCertificates(env, { nodeName, altNames, store, api, changed: (pair) => component.setTls(pair) }).start();
    }
    // What the kernel and containers of whole systems send when the power goes.
    process.on('SIGPWR', () => void component.shutdown());
    return component;
  },
});
