import { ConfigError } from '@orrery/runtime';
import { sha1 } from './sha1.ts';

/** Members as `--initial-cluster` names them. */
export interface InitialMember {
  readonly name: string;
  readonly peerURLs: readonly string[];
}

const first64 = (hash: ArrayBuffer): string => String(new DataView(hash).getBigUint64(0));

/** As etcd derives it: from the addresses and the cluster's token, so that all members come to the same ids by themselves. */
export function memberIdOf(peerURLs: readonly string[], token: string): string {
  return first64(sha1(new TextEncoder().encode([...peerURLs].sort().join('') + token)));
}

export function clusterIdOf(memberIds: readonly string[]): string {
  const sorted = memberIds.map(BigInt).sort((a, b) => (a < b ? -1 : 1));
  const bytes = new DataView(new ArrayBuffer(8 * sorted.length));
  sorted.forEach((id, i) => bytes.setBigUint64(8 * i, id));
  return first64(sha1(new Uint8Array(bytes.buffer)));
}

/** `host:port` or a URL, as a URL. Throws ConfigError. */
export function peerUrl(address: string, tls: boolean): string {
  const url = address.includes('://') ? address : `${tls ? 'https' : 'http'}://${address}`;
  if (!isPeerUrl(url)) throw new ConfigError(`${address} is not host:port, nor a URL of a member`);
  return url;
}

/** What etcd accepts as the address of a member. */
export function isPeerUrl(url: string): boolean {
  return /^https?:\/\/(?:\[[0-9a-fA-F:.]+\]|[^/:[\]]+):\d+$/.test(url);
}

/** Parses `name=host:port` pairs; a name may come several times. Throws ConfigError. */
export function parseInitialCluster(pairs: readonly string[], tls: boolean): InitialMember[] {
  const members = new Map<string, string[]>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new ConfigError(`--initial-cluster takes name=host:port,…, not ${pair}`);
    const name = pair.slice(0, at);
    members.set(name, [...(members.get(name) ?? []), peerUrl(pair.slice(at + 1), tls)]);
  }
  return [...members].map(([name, peerURLs]) => ({ name, peerURLs }));
}
