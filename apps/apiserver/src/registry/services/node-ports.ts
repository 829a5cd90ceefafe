import type { Service, ServicePort } from '@orrery/api/types';
import { type FieldError, fieldError, internalError } from '@orrery/errors';
import type { Random } from '@orrery/runtime';
import { held, usesHealthPort, usesNodePorts } from './held.ts';

/** What one service is given ports from. */
export interface PortPool {
  readonly from: number;
  readonly to: number;
  readonly random: Random;
  /** Ports of other services, as far as known; asked for once at most. */
  readonly inUse: () => Set<number>;
  /** Did the store refuse this port? Undefined: it was not asked, what is known must do. */
  readonly isTaken: ((port: number) => boolean) | undefined;
  readonly refuse: (error: FieldError) => Error;
}

/** `30000-32767`, or `30000+2767`. */
export function parsePortRange(text: string): { from: number; to: number } {
  const [, from, sign, second] = /^(\d+)([-+])(\d+)$/.exec(text.trim()) ?? [];
  const first = Number(from);
  const to = sign === '+' ? first + Number(second) : Number(second);
  if (from === undefined || first < 1 || to > 65_535 || to < first) throw new Error(`node port range ${text} is not a range of ports`);
  return { from: first, to };
}

/** Below it lies a record of every node port that is taken. */
export const portPrefix = (root: string): string => `${root}/ranges/servicenodeports/`;
export const portKey = (root: string, port: number): string => `${portPrefix(root)}${port}`;
export const ownerOfPort = (service: Service | undefined): Buffer => Buffer.from(JSON.stringify({ service: `${service?.metadata?.namespace}/${service?.metadata?.name}` }));

/** The part at the start that automatic allocation avoids while there is room. */
function staticBand({ from, to }: PortPool): number {
  const size = to - from + 1;
  return size <= 16 ? 0 : Math.min(Math.max(Math.floor(size / 32), 16), 128);
}

function freePort(pool: PortPool): number {
  const used = pool.inUse();
  const band = pool.from + staticBand(pool);
  for (const [from, to] of [[band, pool.to], [pool.from, band - 1]] as const) {
    const count = to - from + 1;
    if (count <= 0) continue;
    const start = pool.random.int(count);
    for (let i = 0; i < count; i++) {
      const port = from + ((start + i) % count);
      if (used.has(port) || pool.isTaken?.(port)) continue;
      used.add(port);
      return port;
    }
  }
  throw internalError('failed to allocate a nodePort: range is full');
}

function problemOf(port: number, pool: PortPool): string | undefined {
  if (port < pool.from || port > pool.to) return `provided port is not in the valid range. The range of valid ports is ${pool.from}-${pool.to}`;
  // Whether a port is free is for the store to say: the caches may not have heard yet that it was released.
  const taken = pool.isTaken ? pool.isTaken(port) : pool.inUse().has(port);
  return taken ? 'provided port is already allocated' : undefined;
}

function claim(port: number, { pool, field }: { pool: PortPool; field: string }): void {
  const problem = problemOf(port, pool);
  if (problem) throw pool.refuse(fieldError.invalid(field, port, problem));
}

/** Of a new service: the same port of two protocols gets the same node port. */
function fillNew(ports: readonly ServicePort[], { pool, allocates }: { pool: PortPool; allocates: boolean }): void {
  const chosen = new Map<number, number>();
  for (const [i, port] of ports.entries()) {
    if (!port.nodePort && !allocates) continue;
    const field = `spec.ports[${i}].nodePort`;
    const before = chosen.get(port.port);
    if (before !== undefined) {
      port.nodePort ||= before;
      if (port.nodePort === before) continue;
      if ([...chosen.values()].includes(port.nodePort)) throw pool.refuse(fieldError.invalid(field, port.nodePort, 'provided port is already allocated'));
      claim(port.nodePort, { pool, field });
      continue;
    }
    const wanted = ports.find((other) => other.port === port.port && other.nodePort)?.nodePort;
    if (wanted && [...chosen.values()].includes(wanted)) throw pool.refuse(fieldError.invalid(field, wanted, 'provided port is already allocated'));
    if (wanted) claim(wanted, { pool, field });
    const number = wanted ?? freePort(pool);
    // A later port that names another number is claimed in its turn.
    port.nodePort ||= number;
    chosen.set(port.port, number);
  }
}

function fillChanged(ports: readonly ServicePort[], { pool, allocates, keep }: { pool: PortPool; allocates: boolean; keep: Set<number> }): void {
  for (const [i, port] of ports.entries()) {
    if (!port.nodePort) {
      if (allocates) port.nodePort = freePort(pool);
      continue;
    }
    if (keep.has(port.nodePort)) continue;
    claim(port.nodePort, { pool, field: `spec.ports[${i}].nodePort` });
    keep.add(port.nodePort);
  }
}

/** Completes the node ports of a service; throws to refuse. */
export function fillPorts(draft: Service, { old, pool }: { old: Service | undefined; pool: PortPool }): void {
  const { spec } = draft;
  if (!spec) return;
  const keep = new Set(held(old).ports);
  if (usesNodePorts(spec)) {
    const allocates = spec.type === 'NodePort' || spec.allocateLoadBalancerNodePorts !== false;
    if (old) fillChanged(spec.ports ?? [], { pool, allocates, keep });
    else fillNew(spec.ports ?? [], { pool, allocates });
  }
  if (!usesHealthPort(spec)) return;
  if (!spec.healthCheckNodePort) spec.healthCheckNodePort = freePort(pool);
  else if (!keep.has(spec.healthCheckNodePort)) {
    const problem = problemOf(spec.healthCheckNodePort, pool);
    if (problem) throw internalError(`failed to allocate requested HealthCheck NodePort ${spec.healthCheckNodePort}: ${problem}`);
  }
}
