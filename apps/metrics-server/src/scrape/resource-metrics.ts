/** What a container was at when its node was asked. Counters go from its start. */
export interface ContainerPoint {
  readonly timestampMs: number;
  readonly startMs: number;
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
}

/** By name. */
export type PodPoint = ReadonlyMap<string, ContainerPoint>;

export interface NodePoint {
  readonly timestampMs: number;
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  /** By `namespace/name`. Pods of which something is missing are not in it. */
  readonly pods: ReadonlyMap<string, PodPoint>;
}

type Draft = { -readonly [K in keyof ContainerPoint]?: ContainerPoint[K] };

const line = /^([a-z_]+)(?:\{([^}]*)\})? (\S+)(?: (\d+))?$/;
const label = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g;

function labelsOf(text: string | undefined): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name = '', value = ''] of (text ?? '').matchAll(label)) labels[name] = value.replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
  return labels;
}

/** Upstream drops a container of which a figure is missing or zero, and with it its pod. */
function complete(draft: Draft): ContainerPoint | undefined {
  const { timestampMs, startMs = 0, cpuSeconds = 0, memoryBytes = 0 } = draft;
  return timestampMs === undefined || cpuSeconds === 0 || memoryBytes === 0 ? undefined : { timestampMs, startMs, cpuSeconds, memoryBytes };
}

function podsOf(drafts: ReadonlyMap<string, ReadonlyMap<string, Draft>>): Map<string, PodPoint> {
  const pods = new Map<string, PodPoint>();
  for (const [key, containers] of drafts) {
    const points = [...containers].flatMap(([name, draft]): [string, ContainerPoint][] => {
      const point = complete(draft);
      return point ? [[name, point]] : [];
    });
    if (points.length === containers.size) pods.set(key, new Map(points));
  }
  return pods;
}

/**
 * Reads a kubelet's `/metrics/resource` (Prometheus' text format). Samples without a time of their own are taken to be of `receivedMs`.
 * Throws when the node's own figures are not in it.
 */
export function parseResourceMetrics(text: string, receivedMs: number): NodePoint {
  const node: { cpu?: number; memory?: number; timestampMs: number } = { timestampMs: receivedMs };
  const drafts = new Map<string, Map<string, Draft>>();
  const draftOf = ({ namespace = '', pod = '', container = '' }: Record<string, string>): Draft => {
    const key = `${namespace}/${pod}`;
    let containers = drafts.get(key);
    if (!containers) drafts.set(key, (containers = new Map()));
    let draft = containers.get(container);
    if (!draft) containers.set(container, (draft = {}));
    return draft;
  };
  for (const row of text.split('\n')) {
    if (!row.startsWith('container_') && !row.startsWith('node_')) continue;
    const [, name, labels, number, time] = line.exec(row) ?? [];
    const value = Number(number);
    if (Number.isNaN(value)) continue;
    const timestampMs = time === undefined ? receivedMs : Number(time);
    switch (name) {
      case 'node_cpu_usage_seconds_total':
        Object.assign(node, { cpu: value, timestampMs });
        break;
      case 'node_memory_working_set_bytes':
        node.memory = value;
        break;
      case 'container_cpu_usage_seconds_total':
        Object.assign(draftOf(labelsOf(labels)), { cpuSeconds: value, timestampMs });
        break;
      case 'container_memory_working_set_bytes':
        draftOf(labelsOf(labels)).memoryBytes = value;
        break;
      case 'container_start_time_seconds':
        draftOf(labelsOf(labels)).startMs = value * 1000;
        break;
      default:
    }
  }
  if (node.cpu === undefined || node.memory === undefined) throw new Error('the kubelet says nothing of its node');
  return { timestampMs: node.timestampMs, cpuSeconds: node.cpu, memoryBytes: node.memory, pods: podsOf(drafts) };
}
