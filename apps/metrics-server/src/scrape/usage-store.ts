import type { ContainerPoint, NodePoint } from './resource-metrics.ts';

/** What something uses, over a window that ended at a time. */
export interface Usage {
  readonly timestampMs: number;
  readonly windowMs: number;
  readonly cpuNanoCores: number;
  readonly memoryBytes: number;
}

export interface PodUsage {
  readonly timestampMs: number;
  readonly windowMs: number;
  readonly containers: readonly (Usage & { readonly name: string })[];
}

interface Points {
  readonly last: NodePoint;
  readonly previous: NodePoint | undefined;
}

/** A container younger than a period is judged from its start, once it is this old. */
const youngestMs = 10_000;

interface Counted {
  readonly timestampMs: number;
  readonly cpuSeconds: number;
}

function between(last: Counted & { readonly memoryBytes: number }, previous: Counted | undefined): Usage | undefined {
  if (!previous) return undefined;
  const windowMs = last.timestampMs - previous.timestampMs;
  const cpuSeconds = last.cpuSeconds - previous.cpuSeconds;
  // A counter that went back began anew.
  if (windowMs <= 0 || cpuSeconds < 0) return undefined;
  return { timestampMs: last.timestampMs, windowMs, cpuNanoCores: Math.round((cpuSeconds * 1e12) / windowMs), memoryBytes: last.memoryBytes };
}

/** The last two points of every node, and what follows from them; what upstream's metrics-server keeps. */
export class UsageStore {
  private readonly nodes = new Map<string, Points>();
  private readonly resolutionMs: number;
  private homes = new Map<string, string>();

  constructor(resolutionMs: number) {
    this.resolutionMs = resolutionMs;
  }

  /** Takes what one round of scrapes found; nodes that are not in it are forgotten. */
  take(points: ReadonlyMap<string, NodePoint>): void {
    for (const name of this.nodes.keys()) if (!points.has(name)) this.nodes.delete(name);
    const homes = new Map<string, string>();
    for (const [name, last] of points) {
      const before = this.nodes.get(name);
      // Asked again within the kubelet's own period: nothing new.
      if (before?.last.timestampMs !== last.timestampMs) this.nodes.set(name, { last, previous: before?.last });
      for (const pod of last.pods.keys()) homes.set(pod, name);
    }
    this.homes = homes;
  }

  clear(): void {
    this.nodes.clear();
    this.homes.clear();
  }

  node(name: string): Usage | undefined {
    const points = this.nodes.get(name);
    return points && between(points.last, points.previous);
  }

  /** By `namespace/name`; undefined unless all of its containers are known. */
  pod(key: string): PodUsage | undefined {
    const points = this.nodes.get(this.homes.get(key) ?? '');
    const containers = points?.last.pods.get(key);
    if (!points || !containers?.size) return undefined;
    const before = points.previous?.pods.get(key);
    const usages: (Usage & { name: string })[] = [];
    for (const [name, last] of containers) {
      const usage = between(last, this.previous(last, before?.get(name)));
      if (!usage) return undefined;
      usages.push({ name, ...usage });
    }
    const earliest = usages.reduce((a, b) => (b.timestampMs < a.timestampMs ? b : a));
    return { timestampMs: earliest.timestampMs, windowMs: earliest.windowMs, containers: usages };
  }

  private previous(last: ContainerPoint, before: ContainerPoint | undefined): Counted | undefined {
    if (before && before.startMs === last.startMs) return before;
    const ageMs = last.timestampMs - last.startMs;
    return ageMs >= youngestMs && ageMs < this.resolutionMs ? { timestampMs: last.startMs, cpuSeconds: 0 } : undefined;
  }
}
