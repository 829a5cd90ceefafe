import { existsSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type ApiServerConfig, apiServerSchema, createApiServer, storeChannel } from '@orrery/apiserver/component';
import { clusterServerName, ensurePki, realEnv, serveHttp } from '@orrery/node-io';
import { flagName, parseFlags, resolveConfig } from '@orrery/runtime';
import { UserError } from '../user-error.ts';
import { version } from '../version.ts';
import { liveUntilTold } from './lifetime.ts';
import { type Flags, type KnownFlag, flagsHelp, last, readFlags } from './upstream-flags.ts';

/** Flags of kube-apiserver whose setting has another name here. */
const renamed: Readonly<Record<string, keyof ApiServerConfig>> = {
  'bind-address': 'host',
  'secure-port': 'port',
  'tls-cert-file': 'tlsCert',
  'tls-private-key-file': 'tlsKey',
  'client-ca-file': 'clientCa',
  'service-account-signing-key-file': 'serviceAccountKey',
  'etcd-cafile': 'etcdCa',
  'etcd-certfile': 'etcdCert',
  'etcd-keyfile': 'etcdKey',
  'kubelet-certificate-authority': 'kubeletCa',
  'kubelet-client-certificate': 'kubeletClientCert',
  'kubelet-client-key': 'kubeletClientKey',
  'token-auth-file': 'tokenAuth',
  'min-request-timeout': 'minRequestTimeoutSeconds',
};

/** Settings that hold PEM where the flag names a file. */
const fileSettings = new Set<string>(['tlsCert', 'tlsKey', 'clientCa', 'serviceAccountKey', 'etcdCa', 'etcdCert', 'etcdKey', 'kubeletCa', 'kubeletClientCert', 'kubeletClientKey', 'tokenAuth', 'requestheaderClientCaFile', 'proxyClientCertFile', 'proxyClientKeyFile']);

const ownFlags = new Set(['host', 'port', 'grpc-port', 'tls-cert', 'tls-key', 'client-ca', 'service-account-key', 'etcd-ca', 'etcd-cert', 'etcd-key', 'kubelet-ca', 'kubelet-client-cert', 'token-auth', 'nats-url', 'nats-ca', 'nats-cert', 'nats-key', 'compaction-interval-ms', 'event-ttl-seconds', 'watch-cache-events', 'bookmark-interval-ms', 'min-request-timeout-seconds']);

/** Flags of kube-apiserver that change nothing here. */
const withoutEffect = ['allow-privileged', 'profiling', 'contention-profiling', 'logtostderr', 'alsologtostderr', 'watch-cache', 'enable-garbage-collector', 'enable-aggregator-routing', 'enable-logs-handler', 'permit-port-sharing', 'permit-address-sharing', 'emulated-version', 'log-dir', 'log-file', 'logging-format', 'v', 'vmodule', 'storage-backend', 'storage-media-type', 'default-watch-cache-size', 'watch-cache-sizes', 'etcd-compaction-interval', 'etcd-count-metric-poll-period', 'etcd-servers-overrides', 'event-ttl', 'delete-collection-workers', 'apiserver-count', 'external-hostname', 'cors-allowed-origins', 'http2-max-streams-per-connection', 'tls-cipher-suites', 'tls-min-version', 'tls-sni-cert-key', 'kubelet-preferred-address-types', 'kubelet-timeout', 'kubelet-port', 'max-connection-bytes-per-sec', 'default-not-ready-toleration-seconds', 'default-unreachable-toleration-seconds', 'egress-selector-config-file', 'tracing-config-file', 'livez-grace-period', 'strict-transport-security-directives', 'target-ram-mb', 'cloud-provider', 'cloud-config'];
const booleans = new Set(['allow-privileged', 'profiling', 'contention-profiling', 'logtostderr', 'alsologtostderr', 'watch-cache', 'enable-garbage-collector', 'enable-aggregator-routing', 'enable-logs-handler', 'permit-port-sharing', 'permit-address-sharing']);

const same = Object.entries(apiServerSchema).map(([key, field]): KnownFlag => ({ name: flagName(key).slice(2), boolean: field.type === 'boolean', help: field.help })).filter(({ name }) => !ownFlags.has(name));

export const kubeApiserverFlags: readonly KnownFlag[] = [
  ...same.filter(({ name }) => !(name in renamed)),
  ...Object.entries(renamed).map(([name, key]) => ({ name, help: apiServerSchema[key].help })),
  { name: 'cert-dir', help: 'directory of apiserver.crt and apiserver.key; made there when absent' },
  ...withoutEffect.map((name) => ({ name, boolean: booleans.has(name), help: 'accepted, without effect' })),
];

function fileText(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`--${flag}: ${(error as Error).message}`);
  }
}

/** The certificate to serve with: given, found in the directory, or made there. */
function serving(flags: Flags): Partial<ApiServerConfig> {
  const [cert, key] = [last(flags, 'tls-cert-file'), last(flags, 'tls-private-key-file')];
  if (cert && key) return { tlsCert: fileText('tls-cert-file', cert), tlsKey: fileText('tls-private-key-file', key) };
  const dir = last(flags, 'cert-dir') ?? '/var/run/kubernetes';
  const files = [join(dir, 'apiserver.crt'), join(dir, 'apiserver.key')] as const;
  if (existsSync(files[0]) && existsSync(files[1])) return { tlsCert: fileText('cert-dir', files[0]), tlsKey: fileText('cert-dir', files[1]) };
  const pki = ensurePki(join(dir, 'orrery-pki'), { dnsNames: [clusterServerName, 'localhost'] });
  return { tlsCert: pki.serverCert, tlsKey: pki.serverKey };
}

/** An address of this machine, as upstream takes one where it is told none. Endpoints may not be loopback ones: then there are none of this server. */
function advertised(given: string | undefined): Partial<ApiServerConfig> {
  const own = Object.values(networkInterfaces()).flat().find((address) => address?.family === 'IPv4' && !address.internal)?.address;
  const isLoopback = given !== undefined && (given.startsWith('127.') || given === '::1');
  if (isLoopback || (given === undefined && own === undefined)) return { endpointReconcilerType: 'none' };
  return given === undefined && own !== undefined ? { advertiseAddress: own } : {};
}

/** What kube-apiserver's flags come to. Throws UserError or ConfigError. */
export function kubeApiserverSettings(flags: Flags): ApiServerConfig {
  const words: string[] = [];
  const texts: Record<string, string> = {};
  for (const [name, values] of flags) {
    if (withoutEffect.includes(name) || name === 'cert-dir' || name === 'tls-cert-file' || name === 'tls-private-key-file') continue;
    const key = renamed[name] ?? name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    if (fileSettings.has(key)) texts[key] = fileText(name, values.at(-1) ?? '');
    else if (apiServerSchema[key as keyof ApiServerConfig].type === 'list') words.push(...values.map((value) => `${flagName(key)}=${value}`));
    else words.push(`${flagName(key)}=${values.at(-1) ?? ''}`);
  }
  return resolveConfig(apiServerSchema, [{ host: '0.0.0.0', ...advertised(last(flags, 'advertise-address')), authorizationMode: 'AlwaysAllow' }, parseFlags(apiServerSchema, words), texts, serving(flags), { grpcPort: -1 }]);
}

/** `kube-apiserver`, as envtest starts it. */
export async function runKubeApiserver(words: readonly string[]): Promise<void> {
  if (words.some((word) => /^--?(help|h)$/.test(word))) return void process.stdout.write(flagsHelp('kube-apiserver: the Kubernetes API, played by Orrery', kubeApiserverFlags));
  if (words.some((word) => /^--version/.test(word))) return void process.stdout.write(`Kubernetes v1.36.0 (Orrery ${version})\n`);
  const config = kubeApiserverSettings(readFlags(words, kubeApiserverFlags, (word) => `unknown flag: ${word.split('=')[0] ?? ''}`));
  const env = realEnv({ name: 'kube-apiserver', level: 'warn' });
  const tls = config.etcdCa ? { ca: config.etcdCa, ...(config.etcdCert ? { cert: config.etcdCert, key: config.etcdKey } : {}) } : undefined;
  const store = storeChannel(config.etcdServers, { tls, serverName: config.etcdServerName, now: () => env.clock.monotonic(), random: env.random });
  await liveUntilTold([createApiServer(env, { store, http: serveHttp }, config)]);
}
