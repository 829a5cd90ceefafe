import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError } from '@orrery/runtime';
import { parse as parseYaml } from 'yaml';

/** What a kubeconfig's current context says about how to reach a cluster. PEM and tokens are secrets: never log them. */
export interface ClusterAccess {
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Read again at every use, as mounted tokens are rotated. */
  readonly token?: () => string;
  readonly insecureSkipTlsVerify?: boolean;
  readonly serverName?: string;
  readonly namespace?: string;
}

type Entry = Record<string, unknown>;

function named(list: unknown, name: string, field: string): Entry {
  const found = Array.isArray(list) ? (list as Entry[]).find((entry) => entry['name'] === name) : undefined;
  if (!found) throw new ConfigError(`kubeconfig has no ${field} named ${JSON.stringify(name)}`);
  return (found[field] ?? {}) as Entry;
}

/** The text of `<name>-data` (base64) or of the file `<name>`, relative to the kubeconfig. */
function material(entry: Entry, name: string, folder: string): string | undefined {
  const data = entry[`${name}-data`];
  if (typeof data === 'string' && data) return Buffer.from(data, 'base64').toString('utf8');
  const path = entry[name];
  return typeof path === 'string' && path ? readFileSync(resolve(folder, path), 'utf8') : undefined;
}

/** Reads a kubeconfig. Throws ConfigError for what it lacks and for credentials that need another program. */
export function loadKubeconfig(path: string, contextName?: string): ClusterAccess {
  let config: Entry;
  try {
    config = (parseYaml(readFileSync(path, 'utf8')) ?? {}) as Entry;
  } catch (error) {
    throw new ConfigError(`cannot read kubeconfig ${path}: ${(error as Error).message}`);
  }
  const context = named(config['contexts'], contextName ?? String(config['current-context'] ?? ''), 'context');
  const cluster = named(config['clusters'], String(context['cluster'] ?? ''), 'cluster');
  const user = context['user'] ? named(config['users'], String(context['user']), 'user') : {};
  if (user['exec'] || user['auth-provider']) throw new ConfigError(`kubeconfig ${path}: credentials by exec or auth-provider are not supported`);
  if (typeof cluster['server'] !== 'string') throw new ConfigError(`kubeconfig ${path}: the cluster has no server`);
  const folder = dirname(path);
  const ca = material(cluster, 'certificate-authority', folder);
  const cert = material(user, 'client-certificate', folder);
  const key = material(user, 'client-key', folder);
  const tokenFile = user['tokenFile'];
  const token = typeof user['token'] === 'string' ? () => String(user['token']) : typeof tokenFile === 'string' ? () => readFileSync(resolve(folder, tokenFile), 'utf8').trim() : undefined;
  return {
    server: cluster['server'],
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(token ? { token } : {}),
    ...(cluster['insecure-skip-tls-verify'] === true ? { insecureSkipTlsVerify: true } : {}),
    ...(typeof cluster['tls-server-name'] === 'string' ? { serverName: cluster['tls-server-name'] } : {}),
    ...(typeof context['namespace'] === 'string' ? { namespace: context['namespace'] } : {}),
  };
}

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The API of the cluster that this process runs in as a Pod, by its service account. Throws ConfigError outside of one. */
export function inClusterAccess(): ClusterAccess {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  if (!host || !port) throw new ConfigError('unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined');
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: readFileSync(`${accountFolder}/ca.crt`, 'utf8'),
    token: () => readFileSync(`${accountFolder}/token`, 'utf8').trim(),
  };
}
