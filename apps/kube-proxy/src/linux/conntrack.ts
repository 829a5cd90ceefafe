import type { Conntrack } from '@orrery/linux';
import type { Routing } from '../model/endpoints.ts';
import type { Family } from '../model/service-port.ts';

interface Flow {
  readonly to: string;
  readonly port: string;
  /** Who answers: the endpoint the flow was translated to. */
  readonly replySource: string;
  readonly replyPort: string;
}

/** Lines of `conntrack -L -p udp`: `udp 17 29 src=… dst=… sport=… dport=… src=… dst=… sport=… dport=… …`. */
export function parseFlows(text: string): Flow[] {
  return text.split('\n').flatMap((line) => {
    const values = (name: string): string[] => [...line.matchAll(new RegExp(`\\b${name}=(\\S+)`, 'g'))].map((match) => match[1] ?? '');
    const [src, sport, dst, dport] = [values('src'), values('sport'), values('dst'), values('dport')];
    if (src.length < 2 || sport.length < 2) return [];
    return [{ to: dst[0] ?? '', port: dport[0] ?? '', replySource: src[1] ?? '', replyPort: sport[1] ?? '' }];
  });
}

/**
 * Flows of UDP services that lead to what is no endpoint of theirs any more, or to nothing since they began before there was one.
 * The kernel would keep such a flow as long as its client sends. What upstream's conntrack reconciler removes.
 */
export function staleFlows(flows: readonly Flow[], routings: readonly Routing[]): Flow[] {
  const endpoints = new Map<string, ReadonlySet<string>>();
  for (const { port, reachable } of routings) {
    if (port.protocol !== 'UDP' || !reachable.length) continue;
    const serving = new Set(reachable.map((e) => `${e.ip}|${e.port}`));
    for (const ip of [port.clusterIp, ...port.externalIps, ...port.loadBalancerIps]) endpoints.set(`${ip}|${port.port}`, serving);
    if (port.nodePort) endpoints.set(`*|${port.nodePort}`, serving);
  }
  return flows.filter(({ to, port, replySource, replyPort }) => {
    const serving = endpoints.get(`${to}|${port}`) ?? endpoints.get(`*|${port}`);
    return serving && !serving.has(`${replySource}|${replyPort}`);
  });
}

/** What to delete, for `conntrack -D`: all clients of one endpoint at once. */
function deletions(flows: readonly Flow[], family: Family): string[][] {
  const distinct = new Map(flows.map((flow) => [JSON.stringify(flow), flow]));
  return [...distinct.values()].map(({ to, port, replySource, replyPort }) => [
    ...['-f', family === 6 ? 'ipv6' : 'ipv4', '-p', 'udp', '--orig-dst', to, '--orig-port-dst', port, '--reply-src', replySource, '--reply-port-src', replyPort],
  ]);
}

/** Returns how many endpoints lost flows. */
export async function removeStaleFlows(conntrack: Conntrack, { families, routings }: { families: readonly Family[]; routings: readonly Routing[] }): Promise<number> {
  let removed = 0;
  if (!routings.some(({ port }) => port.protocol === 'UDP')) return removed;
  for (const family of families) {
    const own = routings.filter(({ port }) => port.family === family);
    for (const args of deletions(staleFlows(parseFlows(await conntrack.list({ family, protocol: 'udp' })), own), family)) {
      await conntrack.remove(args);
      removed++;
    }
  }
  return removed;
}
