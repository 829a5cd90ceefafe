import { readFileSync } from 'node:fs';
import { type TlsMaterial, grpcChannel, withDeadlines } from '@orrery/rpc';
import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of every program that has a switch of its own in the emulated network, or programs a node's. */
export const vnetMemberSchema = {
  vnetListen: { type: 'string', default: '127.0.0.1:0', help: 'host:port where other switches reach this one; port 0 picks one' },
  vnetAdvertiseHost: { type: 'string', default: '', help: 'host that other processes use for --vnet-listen; default: the same' },
} as const satisfies ConfigSchema;

export type VnetMember = ConfigOf<typeof vnetMemberSchema>;

/** The TLS material of a program's `--tls-*` flags; undefined when it has none. Files are PEM. */
export function tlsMaterial(config: { readonly tlsCert: string; readonly tlsKey: string; readonly tlsCa: string }): TlsMaterial | undefined {
  if (!config.tlsCa) return undefined;
  const pem = (path: string): string => readFileSync(path, 'utf8');
  return { ca: pem(config.tlsCa), ...(config.tlsCert ? { cert: pem(config.tlsCert), key: pem(config.tlsKey) } : {}) };
}

/** What a switch is told is done at once, even if it is ten thousand services. */
const switchTimeoutMs = 30_000;

/** Channels to the switches of other processes, with the program's own certificate. All certificates of a cluster carry this name. */
export function switchConnector(tls: TlsMaterial | undefined): (endpoint: string) => ReturnType<typeof grpcChannel> {
  return (endpoint) => withDeadlines(grpcChannel(endpoint, tls ? { tls, serverName: clusterServerName } : {}), switchTimeoutMs);
}

/** The name that every component's serving certificate holds, wherever it runs. */
export const clusterServerName = 'orrery.internal';
