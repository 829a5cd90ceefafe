import { ConfigMaps } from '@orrery/api';
import type { ConfigMap } from '@orrery/api/types';
import { isAlreadyExists, isConflict } from '@orrery/errors';
import type { ApiServerConfig } from '../config.ts';
import type { PluginContext } from '../pipeline/index.ts';
import { startWorkLoop } from './work-loop.ts';

const key = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };

type Data = Readonly<Record<string, string>>;
type Settings = Pick<ApiServerConfig, 'clientCa' | 'requestheaderClientCaFile' | 'requestheaderAllowedNames' | 'requestheaderUsernameHeaders' | 'requestheaderUidHeaders' | 'requestheaderGroupHeaders' | 'requestheaderExtraHeadersPrefix'>;

const certificate = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Both bundles, each certificate once. */
function bundle(existing: string, own: string): string {
  const all = [...(existing.match(certificate) ?? []), ...(own.match(certificate) ?? [])];
  return [...new Set(all.map((pem) => pem.replaceAll('\r', '').trim()))].map((pem) => `${pem}\n`).join('');
}

function strings(text: string | undefined): string[] {
  if (!text) return [];
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) throw new Error(`not a list of strings: ${text}`);
  return value.map(String);
}

/**
 * What extension servers are told of how to authenticate, of this server and of others with other settings. Throws when what is
 * there cannot be read.
 */
export function combinedTrust(existing: Data, settings: Settings): Data {
  const data: Record<string, string> = {};
  const clientCa = bundle(existing['client-ca-file'] ?? '', settings.clientCa);
  if (clientCa) data['client-ca-file'] = clientCa;
  const proxyCa = bundle(existing['requestheader-client-ca-file'] ?? '', settings.requestheaderClientCaFile);
  if (!proxyCa) return data;
  const own = settings.requestheaderClientCaFile !== '';
  const list = (name: string, values: readonly string[]): void => {
    data[name] = JSON.stringify([...new Set([...strings(existing[name]), ...(own ? values : [])])]);
  };
  list('requestheader-allowed-names', settings.requestheaderAllowedNames);
  data['requestheader-client-ca-file'] = proxyCa;
  list('requestheader-extra-headers-prefix', settings.requestheaderExtraHeadersPrefix);
  list('requestheader-group-headers', settings.requestheaderGroupHeaders);
  list('requestheader-uid-headers', settings.requestheaderUidHeaders);
  list('requestheader-username-headers', settings.requestheaderUsernameHeaders);
  return data;
}

const same = (a: Data, b: Data): boolean => Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([name, value]) => b[name] === value);

/** Keeps the ConfigMap kube-system/extension-apiserver-authentication. */
export function trustConfig({ api, config, env, read }: Pick<PluginContext, 'api' | 'config' | 'env' | 'read'>): { run(signal: AbortSignal): Promise<void> } {
  const sync = async (): Promise<'done'> => {
    const existing: ConfigMap | undefined = read.get(ConfigMaps, key);
    const data = combinedTrust(existing?.data ?? {}, config);
    if (!existing) await api.create(ConfigMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: key, data });
    else if (!same(data, existing.data ?? {})) await api.update(ConfigMaps, { ...existing, data });
    return 'done';
  };
  return {
    async run(signal) {
      // Another replica may write it at the same moment; the loop looks again.
      await sync().catch((error: unknown) => {
        if (!isAlreadyExists(error) && !isConflict(error)) throw error;
      });
      const queue = startWorkLoop(env, { name: 'cluster_authentication_trust_controller', concurrency: 1, maxDelayMs: 1_000_000, resyncMs: 60_000, keys: () => [key.name], work: sync }, signal);
      const stop = read.onChange(ConfigMaps, ({ object, old }) => {
        const { name, namespace } = (object ?? old)?.metadata ?? {};
        if (name === key.name && namespace === key.namespace) queue.add(key.name);
      });
      signal.addEventListener('abort', stop, { once: true });
    },
  };
}
