import type { CreateInstanceRequest, Instance, InstanceRef } from '@orrery/proto/cloud';
import { Code, RpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { formatIp, parseIp } from '@orrery/vnet';
import { type AddressPool } from './address-pool.ts';
import type { Table } from './ledger.ts';
import type { Quotas } from './quotas.ts';

const gib = 2 ** 30;
/** What can be bought: CPUs and memory. */
const types: Readonly<Record<string, { readonly cpus: number; readonly memoryBytes: number }>> = {
  'o1.small': { cpus: 2, memoryBytes: 4 * gib },
  'o1.medium': { cpus: 2, memoryBytes: 8 * gib },
  'o1.large': { cpus: 4, memoryBytes: 16 * gib },
  'o1.xlarge': { cpus: 8, memoryBytes: 32 * gib },
  'o1.2xlarge': { cpus: 16, memoryBytes: 64 * gib },
};

/** What is kept: `state` is where it is or goes to, reached at `changedMs`. */
export interface SavedInstance extends Omit<Instance, 'state'> {
  readonly id: string;
  readonly name: string;
  readonly zone: string;
  readonly state: 'RUNNING' | 'STOPPED' | 'TERMINATED';
  readonly changedMs: number;
  readonly clientToken: string;
}

export interface Instances {
  create(request: CreateInstanceRequest & { scalingGroup?: string }): Instance;
  get(ref: InstanceRef): Instance;
  /** By name, if there is such an instance. */
  named(name: string): Instance | undefined;
  list(scalingGroup: string): Instance[];
  start(ref: InstanceRef): Instance;
  stop(ref: InstanceRef): Instance;
  terminate(ref: InstanceRef): void;
  /** Called for every instance that goes. */
  onTerminated(listener: (instance: Instance) => void): void;
}

export interface InstancesOptions {
  readonly table: Table<SavedInstance>;
  readonly quotas: Quotas;
  readonly pool: AddressPool;
  /** Of IPv6 addresses; without it those have one that ask for it. */
  readonly pool6?: AddressPool;
  readonly region: string;
  readonly zones: readonly string[];
  /** How long they take to start, stop and go. */
  readonly transitionMs: number;
}

const transitional = { RUNNING: 'PENDING', STOPPED: 'STOPPING', TERMINATED: 'TERMINATING' } as const;

/** Virtual machines. What they are at a moment follows from what is kept and the time, so a restart forgets nothing. */
export function createInstances(env: Env, options: InstancesOptions): Instances {
  const { table, quotas, pool, pool6, region, zones, transitionMs } = options;
  const listeners: ((instance: Instance) => void)[] = [];
  const describe = (saved: SavedInstance): Instance => {
    const { changedMs, clientToken: _token, state, ...rest } = saved;
    return { ...rest, state: env.clock.now() < changedMs ? transitional[state] : state };
  };
  /** Those that are there: terminated ones vanish when their time has come. */
  const present = (): SavedInstance[] => {
    const all = [...table.values()];
    for (const { id, state, changedMs } of all) if (state === 'TERMINATED' && env.clock.now() >= changedMs) table.delete(id);
    return [...table.values()];
  };
  quotas.counted('instances', () => present().length);
  const find = ({ id = '', name = '', providerId = '' }: InstanceRef): SavedInstance | undefined => {
    const wantedId = id || (providerId.startsWith('orrery:///') ? (providerId.split('/').at(-1) ?? '') : '');
    const all = present();
    return wantedId ? all.find((one) => one.id === wantedId && (!providerId || one.providerId === providerId)) : name ? all.find((one) => one.name === name) : undefined;
  };
  const found = (ref: InstanceRef): SavedInstance => {
    const instance = find(ref);
    if (!instance) throw new RpcError(Code.NOT_FOUND, `instance ${ref.id || ref.providerId || ref.name || '""'} does not exist`);
    return instance;
  };
  const leastUsedZone = (): string => {
    const all = present();
    const counts = zones.map((zone) => ({ zone, count: all.filter((one) => one.zone === zone).length }));
    return counts.reduce((least, one) => (one.count < least.count ? one : least)).zone;
  };
  const turn = (saved: SavedInstance, state: SavedInstance['state']): SavedInstance => {
    if (saved.state === state) return saved;
    if (saved.state === 'TERMINATED') throw new RpcError(Code.FAILED_PRECONDITION, `instance ${saved.id} is being terminated`);
    const next: SavedInstance = { ...saved, state, changedMs: env.clock.now() + transitionMs };
    table.put(saved.id, next);
    return next;
  };
  const addressFor = (asked: string, all: readonly SavedInstance[]): string => {
    const taken = new Set(all.map((one) => one.privateIp ?? ''));
    if (asked && taken.has(asked)) throw new RpcError(Code.ALREADY_EXISTS, `private_ip: ${asked} is taken`);
    const address = asked || pool.next(taken);
    if (!address) throw new RpcError(Code.RESOURCE_EXHAUSTED, 'no instance address is left');
    return address;
  };
  const ipv6For = (asked: string, all: readonly SavedInstance[]): string => {
    if (!asked && !pool6) return '';
    const ip = asked ? parseIp(asked) : undefined;
    if (asked && ip?.family !== 6) throw new RpcError(Code.INVALID_ARGUMENT, `private_ipv6: ${JSON.stringify(asked)} is no IPv6 address`);
    const taken = new Set(all.map((one) => one.privateIpv6 ?? ''));
    const address = ip ? formatIp(ip) : pool6?.next(taken);
    if (!address) throw new RpcError(Code.RESOURCE_EXHAUSTED, 'no IPv6 address of instances is left');
    if (taken.has(address)) throw new RpcError(Code.ALREADY_EXISTS, `private_ipv6: ${address} is taken`);
    return address;
  };
  return {
    create({ name = '', type = '', zone = '', privateIp = '', privateIpv6 = '', publicIp = '', labels = {}, image = '', clientToken = '', scalingGroup = '' }) {
      const all = present();
      const again = clientToken && all.find((one) => one.clientToken === clientToken);
      if (again) return describe(again);
      if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name)) throw new RpcError(Code.INVALID_ARGUMENT, `name: ${JSON.stringify(name)} is no host name`);
      const size = types[type || 'o1.small'];
      if (!size) throw new RpcError(Code.INVALID_ARGUMENT, `type: ${type} is none of ${Object.keys(types).join(', ')}`);
      if (zone && !zones.includes(zone)) throw new RpcError(Code.INVALID_ARGUMENT, `zone: ${zone} is none of ${zones.join(', ')}`);
      if (all.some((one) => one.name === name)) throw new RpcError(Code.ALREADY_EXISTS, `instance ${name} exists`);
      quotas.take('instances');
      const id = `i-${env.random.uuid().replaceAll('-', '').slice(0, 12)}`;
      const inZone = zone || leastUsedZone();
      const nowMs = env.clock.now();
      const saved: SavedInstance = {
        id, name, type: type || 'o1.small', zone: inZone, region, labels, image, scalingGroup, clientToken, publicIp,
        ...size,
        privateIp: addressFor(privateIp, all),
        privateIpv6: ipv6For(privateIpv6, all),
        providerId: `orrery:///${inZone}/${id}`,
        createdMs: nowMs,
        state: 'RUNNING',
        changedMs: nowMs + transitionMs,
      };
      table.put(id, saved);
      return describe(saved);
    },
    get: (ref) => describe(found(ref)),
    named(name) {
      const instance = find({ name });
      return instance && describe(instance);
    },
    list: (scalingGroup) => present().filter((one) => !scalingGroup || one.scalingGroup === scalingGroup).map(describe),
    start: (ref) => describe(turn(found(ref), 'RUNNING')),
    stop: (ref) => describe(turn(found(ref), 'STOPPED')),
    terminate(ref) {
      const instance = find(ref);
      if (!instance || instance.state === 'TERMINATED') return;
      const next = describe(turn(instance, 'TERMINATED'));
      for (const listener of listeners) listener(next);
    },
    onTerminated: (listener) => void listeners.push(listener),
  };
}
