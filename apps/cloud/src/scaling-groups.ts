import type { RemoveInstancesRequest, ScalingGroup, SetDesiredRequest } from '@orrery/proto/cloud';
import { Code, RpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import type { Instances } from './instances.ts';
import type { Table } from './ledger.ts';
import type { Quotas } from './quotas.ts';

export interface ScalingGroups {
  put(group: ScalingGroup): ScalingGroup;
  get(name: string): ScalingGroup;
  list(): ScalingGroup[];
  setDesired(request: SetDesiredRequest): ScalingGroup;
  removeInstances(request: RemoveInstancesRequest): ScalingGroup;
  delete(name: string): void;
}

export interface ScalingGroupsOptions {
  readonly table: Table<ScalingGroup>;
  readonly quotas: Quotas;
  readonly instances: Instances;
  readonly zones: readonly string[];
}

const alive = (state: string | undefined): boolean => state !== 'TERMINATING';

/** Groups of equal instances. A group is brought to its size whenever it, or one of its instances, is touched. */
export function createScalingGroups(env: Env, options: ScalingGroupsOptions): ScalingGroups {
  const { table, quotas, instances, zones } = options;
  quotas.counted('scaling-groups', () => table.size);
  const members = (name: string) => instances.list(name).filter(({ state }) => alive(state)).sort((a, b) => (a.createdMs ?? 0) - (b.createdMs ?? 0));
  const found = (name: string): ScalingGroup => {
    const group = table.get(name);
    if (!group) throw new RpcError(Code.NOT_FOUND, `scaling group ${name} does not exist`);
    return group;
  };
  const grow = (group: ScalingGroup): void => {
    const { name = '', instanceType = '', labels = {}, image = '' } = group;
    const among = group.zones?.length ? group.zones : zones;
    const there = members(name);
    const counts = among.map((zone) => ({ zone, count: there.filter((one) => one.zone === zone).length }));
    const { zone } = counts.reduce((least, one) => (one.count < least.count ? one : least), counts[0] ?? { zone: '', count: 0 });
    instances.create({ name: `${name}-${env.random.name(5)}`, type: instanceType, zone, labels, image, scalingGroup: name });
  };
  /** Groups that end instances themselves just now. */
  const ending = new Set<string>();
  const end = (name: string, ids: readonly string[]): void => {
    ending.add(name);
    for (const id of ids) instances.terminate({ id });
    ending.delete(name);
  };
  /** Makes it as large as it should be; what prevents that is noted in the group. */
  const settle = (name: string): ScalingGroup => {
    const group = found(name);
    let problem = '';
    const desired = group.desired ?? 0;
    try {
      for (let have = members(name).length; have < desired; have++) grow(group);
    } catch (error) {
      problem = (error as Error).message;
    }
    end(name, members(name).slice(desired).map(({ id }) => id ?? ''));
    const next = { ...found(name), problem };
    if (problem !== (group.problem ?? '')) table.put(name, next);
    return next;
  };
  const describe = (group: ScalingGroup): ScalingGroup => ({ ...group, instanceIds: members(group.name ?? '').map(({ id }) => id ?? '') });
  const resize = (group: ScalingGroup, desired: number): ScalingGroup => {
    const { name = '', min = 0, max = 0 } = group;
    if (desired < min || desired > max) throw new RpcError(Code.OUT_OF_RANGE, `desired: ${desired} is not between ${min} and ${max}`);
    table.put(name, { ...group, desired });
    return describe(settle(name));
  };
  // What somebody else ended is replaced.
  instances.onTerminated(({ scalingGroup = '' }) => {
    if (scalingGroup && table.get(scalingGroup) && !ending.has(scalingGroup)) settle(scalingGroup);
  });
  return {
    put(group) {
      const { name = '', min = 0, max = 0, instanceType = '', labels = {}, image = '' } = group;
      if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name)) throw new RpcError(Code.INVALID_ARGUMENT, `name: ${JSON.stringify(name)} is not lower case letters, digits and -`);
      if (min > max) throw new RpcError(Code.INVALID_ARGUMENT, `min: ${min} is more than max ${max}`);
      const wrong = group.zones?.find((zone) => !zones.includes(zone));
      if (wrong) throw new RpcError(Code.INVALID_ARGUMENT, `zones: ${wrong} is none of ${zones.join(', ')}`);
      const known = table.get(name);
      if (!known) quotas.take('scaling-groups');
      const desired = Math.min(max, Math.max(min, group.desired || known?.desired || 0));
      table.put(name, { name, min, max, desired, instanceType, zones: group.zones ?? [], labels, image, problem: '' });
      return describe(settle(name));
    },
    get: (name) => describe(found(name)),
    list: () => [...table.values()].map(describe),
    setDesired: ({ name = '', desired = 0 }) => resize(found(name), desired),
    removeInstances({ name = '', instanceIds = [] }) {
      const group = found(name);
      const own = new Set(members(name).map(({ id }) => id));
      const stranger = instanceIds.find((id) => !own.has(id));
      if (stranger) throw new RpcError(Code.NOT_FOUND, `instance ${stranger} is not of scaling group ${name}`);
      const desired = (group.desired ?? 0) - instanceIds.length;
      if (desired < (group.min ?? 0)) throw new RpcError(Code.FAILED_PRECONDITION, `scaling group ${name} would have ${desired} instances, fewer than its least of ${group.min ?? 0}`);
      table.put(name, { ...group, desired });
      end(name, instanceIds);
      return describe(settle(name));
    },
    delete(name) {
      if (!table.get(name)) return;
      end(name, members(name).map(({ id }) => id ?? ''));
      table.delete(name);
    },
  };
}
