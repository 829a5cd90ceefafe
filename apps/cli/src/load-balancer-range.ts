/**
 * A /24 of loopback addresses for the load balancers of the cluster on a data directory, so that clusters side by side
 * seldom meet; when they do, the second finds the address taken and listens on another port.
 */
export function loadBalancerRange(dataDir: string): string {
  let hash = 2166136261;
  for (const char of dataDir) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619) >>> 0;
  return `127.${64 + (hash % 64)}.${Math.floor(hash / 64) % 256}.0/24`;
}
