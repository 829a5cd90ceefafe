import type { ListenerSpec, Target, TargetHealth } from '@orrery/proto/cloud';
import { Code, RpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { type Cidr, type Conn, type Endpoint, NetError, cidrContains, parseCidr, parseIp } from '@orrery/vnet';
import { type Dial, createHealthChecks } from './health.ts';
import { createTargetScheduler, schedulers, targetKey } from './scheduler.ts';

/** Decides for each client of one listener which target serves it. */
export interface Forwarding {
  update(spec: ListenerSpec): void;
  /** Connects to a target, the next ones where it refuses. Rejects with NetError. `ended` of the result must be called once. */
  dial(client: Endpoint): Promise<{ conn: Conn; ended: () => void }>;
  /** The target of a new flow of datagrams. */
  pick(client: Endpoint): Endpoint | undefined;
  health(): TargetHealth[];
  close(): void;
}

const protocols = ['TCP', 'UDP', 'HTTP'];

/** Throws INVALID_ARGUMENT that names the field. */
export function checkListener({ protocol = 'TCP', port = 0, scheduler = '', sourceRanges = [], healthCheck, targets = [] }: ListenerSpec): void {
  const refuse = (message: string): never => {
    throw new RpcError(Code.INVALID_ARGUMENT, `listeners[${port}].${message}`);
  };
  if (port < 1 || port > 65_535) refuse(`port: ${port} is not between 1 and 65535`);
  if (!protocols.includes(protocol)) refuse(`protocol: ${protocol} is none of ${protocols.join(', ')}`);
  if (scheduler && !(schedulers as readonly string[]).includes(scheduler)) refuse(`scheduler: ${scheduler} is none of ${schedulers.join(', ')}`);
  if (healthCheck && !['TCP', 'HTTP'].includes(healthCheck.type ?? '')) refuse(`health_check.type: ${JSON.stringify(healthCheck.type ?? '')} is neither TCP nor HTTP`);
  const heavy = targets.find(({ weight = 100 }) => weight > 100);
  if (heavy) refuse(`targets.weight: ${heavy.weight ?? 0} is more than 100`);
  for (const range of sourceRanges) {
    try {
      parseCidr(range);
    } catch {
      refuse(`source_ranges: ${range} is no CIDR`);
    }
  }
}

interface Sticky {
  readonly key: string;
  readonly untilMs: number;
}

const endpointOf = ({ address = '', port = 0 }: Target): Endpoint => ({ ip: address, port });

export function createForwarding(env: Env, dial: (to: Endpoint, client?: Endpoint) => ReturnType<Dial>, first: ListenerSpec): Forwarding {
  let spec = first;
  let ranges: Cidr[] = [];
  const scheduler = createTargetScheduler(() => spec.scheduler ?? '');
  const health = createHealthChecks(env, (to) => dial(to));
  const sticky = new Map<string, Sticky>();
  const update = (next: ListenerSpec): void => {
    spec = next;
    ranges = (next.sourceRanges ?? []).map(parseCidr);
    health.update(next.healthCheck, next.targets ?? []);
  };
  update(first);
  const allowed = (client: Endpoint): boolean => {
    const ip = parseIp(client.ip.replace(/^::ffff:/, ''));
    return ranges.length === 0 || (ip !== undefined && ranges.some((range) => cidrContains(range, ip)));
  };
  const candidates = (client: Endpoint): Target[] => {
    const ordered = scheduler.order((spec.targets ?? []).filter((target) => health.healthy(target)), client.ip);
    const kept = spec.persistenceSeconds ? sticky.get(client.ip) : undefined;
    const at = kept && env.clock.monotonic() < kept.untilMs ? ordered.findIndex((target) => targetKey(target) === kept.key) : -1;
    return at > 0 ? [...ordered.slice(at, at + 1), ...ordered.slice(0, at), ...ordered.slice(at + 1)] : ordered;
  };
  const remember = (client: Endpoint, target: Target): void => {
    if (!spec.persistenceSeconds) return;
    const nowMs = env.clock.monotonic();
    if (sticky.size > 10_000) for (const [ip, { untilMs }] of sticky) if (untilMs < nowMs) sticky.delete(ip);
    sticky.set(client.ip, { key: targetKey(target), untilMs: nowMs + spec.persistenceSeconds * 1000 });
  };
  return {
    update,
    async dial(client) {
      if (!allowed(client)) throw new NetError('ECONNREFUSED', `${client.ip} may not use this load balancer`);
      let failure: unknown = new NetError('ECONNREFUSED', 'the load balancer has no healthy targets');
      for (const target of candidates(client)) {
        scheduler.opened(target);
        try {
          const conn = await dial(endpointOf(target), client);
          remember(client, target);
          return { conn, ended: () => scheduler.closed(target) };
        } catch (error) {
          scheduler.closed(target);
          failure = error;
        }
      }
      throw failure;
    },
    pick(client) {
      const [target] = allowed(client) ? candidates(client) : [];
      if (target) remember(client, target);
      return target && endpointOf(target);
    },
    health: () => (spec.targets ?? []).map((target) => ({ address: target.address ?? '', port: target.port ?? 0, healthy: health.healthy(target), connections: scheduler.connections(target) })),
    close: () => health.close(),
  };
}
