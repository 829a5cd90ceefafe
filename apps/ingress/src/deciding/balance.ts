import type { Endpoint } from '@orrery/vnet';

/** FNV-1a, 32 bits, stirred: neighbours land far apart. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value ^= value >>> 16;
  value = Math.imul(value, 0x85ebca6b);
  value ^= value >>> 13;
  value = Math.imul(value, 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

export const endpointKey = ({ ip, port }: Endpoint): string => `${ip}:${port}`;

/** By rendezvous hashing: when an endpoint comes or goes only its own keys move. */
export function byHash(endpoints: readonly Endpoint[], key: string): Endpoint[] {
  return endpoints
    .map((endpoint) => ({ endpoint, score: hash(`${key}|${endpointKey(endpoint)}`) }))
    .sort((a, b) => b.score - a.score)
    .map(({ endpoint }) => endpoint);
}

export function byTurn(endpoints: readonly Endpoint[], turn: number): Endpoint[] {
  const at = endpoints.length ? turn % endpoints.length : 0;
  return [...endpoints.slice(at), ...endpoints.slice(0, at)];
}
