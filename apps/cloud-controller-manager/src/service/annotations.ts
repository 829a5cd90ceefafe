import type { HealthCheck } from '@orrery/proto/cloud';

/** What the annotations of a Service say about its balancer. */
export interface BalancerSettings {
  /** A balancer that is there already. */
  readonly given: string;
  readonly internal: boolean;
  readonly specification: string;
  readonly bandwidthMbps: number;
  readonly scheduler: string;
  readonly persistenceSeconds: number | undefined;
  /** Where connections go: the node ports of nodes, or pods themselves. */
  readonly backend: 'node' | 'eni';
  /** Only nodes that have these labels. */
  readonly nodeLabels: Readonly<Record<string, string>>;
  /** Protocol by port, where it is not the Service's. */
  readonly protocols: ReadonlyMap<number, string>;
  /** undefined: nothing is said; 'off': none. */
  readonly healthCheck: HealthCheck | 'off' | undefined;
}

/** Ours, and those of the provider whose manifests people bring. */
const prefixes = ['service.beta.kubernetes.io/orrery-load-balancer-', 'service.beta.kubernetes.io/alibaba-cloud-loadbalancer-'] as const;
const backendTypeAnnotation = 'service.beta.kubernetes.io/backend-type';

/** An annotation that cannot be understood; the message names it. */
export class AnnotationError extends Error {}

type Read = (name: string) => string;

function number(read: Read, name: string, { min, max }: { min: number; max: number }): number | undefined {
  const text = read(name);
  if (!text) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) throw new AnnotationError(`annotation ${name}: ${JSON.stringify(text)} is not a number between ${min} and ${max}`);
  return value;
}

function oneOf<T extends string>(read: Read, name: string, choices: Readonly<Record<string, T>>): T | undefined {
  const text = read(name);
  if (!text) return undefined;
  const value = choices[text.toLowerCase()];
  if (value === undefined) throw new AnnotationError(`annotation ${name}: ${JSON.stringify(text)} is none of ${Object.keys(choices).join(', ')}`);
  return value;
}

function healthCheckOf(read: Read): HealthCheck | 'off' | undefined {
  const flag = oneOf(read, 'health-check-flag', { on: 'on', off: 'off' });
  const type = oneOf(read, 'health-check-type', { tcp: 'TCP', http: 'HTTP' });
  if (flag === 'off') return 'off';
  if (!flag && !type) return undefined;
  const seconds = (name: string): number => (number(read, name, { min: 1, max: 300 }) ?? 0) * 1000;
  const threshold = (name: string): number => number(read, name, { min: 2, max: 10 }) ?? 0;
  return {
    type: type ?? 'TCP',
    port: number(read, 'health-check-connect-port', { min: 1, max: 65_535 }) ?? 0,
    path: read('health-check-uri'),
    host: read('health-check-domain'),
    intervalMs: seconds('health-check-interval'),
    timeoutMs: seconds('health-check-connect-timeout'),
    healthyThreshold: threshold('healthy-threshold'),
    unhealthyThreshold: threshold('unhealthy-threshold'),
  };
}

/** `http:80,tcp:443`. */
function protocolsOf(read: Read): Map<number, string> {
  const entries = read('protocol-port').split(',').filter(Boolean);
  return new Map(
    entries.map((entry) => {
      const [protocol = '', port = ''] = entry.split(':');
      if (!['tcp', 'udp', 'http'].includes(protocol.toLowerCase()) || !/^\d+$/.test(port)) throw new AnnotationError(`annotation protocol-port: ${JSON.stringify(entry)} is not PROTOCOL:PORT with tcp, udp or http`);
      return [Number(port), protocol.toUpperCase()];
    }),
  );
}

function labelsOf(read: Read): Record<string, string> {
  return Object.fromEntries(
    read('backend-label').split(',').filter(Boolean).map((entry) => {
      const at = entry.indexOf('=');
      return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

/** Reads the annotations. Throws AnnotationError for what cannot be understood. */
export function settingsOf(annotations: Readonly<Record<string, string>>): BalancerSettings {
  const read: Read = (name) => prefixes.map((prefix) => annotations[`${prefix}${name}`]).find((value) => value !== undefined)?.trim() ?? '';
  const backends = { node: 'node', ecs: 'node', eni: 'eni' } as const;
  return {
    given: read('id'),
    internal: oneOf(read, 'address-type', { internet: 'internet', intranet: 'intranet' }) === 'intranet',
    specification: read('spec'),
    bandwidthMbps: number(read, 'bandwidth', { min: 1, max: 100_000 }) ?? 0,
    scheduler: oneOf(read, 'scheduler', { rr: 'rr', wrr: 'wrr', wlc: 'wlc', sch: 'sch' }) ?? '',
    persistenceSeconds: number(read, 'persistence-timeout', { min: 0, max: 86_400 }),
    backend: oneOf(read, 'backend-type', backends) ?? oneOf(() => annotations[backendTypeAnnotation] ?? '', backendTypeAnnotation, backends) ?? 'node',
    nodeLabels: labelsOf(read),
    protocols: protocolsOf(read),
    healthCheck: healthCheckOf(read),
  };
}
