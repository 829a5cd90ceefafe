import { type Channel, type TlsMaterial, grpcChannel, spreadChannel, withDeadlines } from '@orrery/rpc';
import { ConfigError, type Random } from '@orrery/runtime';

export interface StoreConnection {
  /** Without it, servers with `https://` are checked against the system's roots and the others are spoken to in plain text. */
  readonly tls?: TlsMaterial | undefined;
  /** Name that the certificates must hold; empty: each server's own host. */
  readonly serverName?: string;
  /** Milliseconds that never go back. */
  readonly now: () => number;
  readonly random: Pick<Random, 'next'>;
}

/** `https://host:port`, `http://host:port`, `unix:///path` or `host:port`, as etcd's own clients take them. */
function endpointOf(text: string): { target: string; isTls: boolean | undefined } {
  const [, scheme, rest = text] = /^([a-z]+):\/\/(.*)$/.exec(text) ?? [];
  if (scheme === 'unix' || scheme === 'unixs') return { target: `unix:${rest}`, isTls: scheme === 'unixs' };
  if (scheme && scheme !== 'http' && scheme !== 'https') throw new ConfigError(`--etcd-servers: unknown scheme in ${JSON.stringify(text)}`);
  return { target: rest.replace(/\/$/, ''), isTls: scheme === undefined ? undefined : scheme === 'https' };
}

/** Of several members one that hangs is noticed in ten seconds, with the five an answer may take. etcd takes no pings that come more often. */
const keepAliveMs = 5_000;
/** For calls whose caller names no time of its own. */
const callTimeoutMs = 30_000;

/** A channel to the members of the store named in `--etcd-servers`: they take turns, and one that is away is left out. */
export function storeChannel(servers: string, { tls, serverName, now, random }: StoreConnection): Channel {
  const endpoints = servers.split(',').map((one) => one.trim()).filter((one) => one !== '').map(endpointOf);
  if (endpoints.length === 0) throw new ConfigError('--etcd-servers must be specified');
  const alive = endpoints.length > 1 ? { keepAliveMs } : {};
  const channels = endpoints.map(({ target, isTls = tls !== undefined }) => grpcChannel(target, { ...alive, ...(isTls ? { tls: tls ?? {}, ...(serverName ? { serverName } : {}) } : {}) }));
  return withDeadlines(spreadChannel(channels, { now, random }), callTimeoutMs);
}
