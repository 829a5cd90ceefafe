import { Nodes, Services } from '@orrery/api';
import type { Node, Service } from '@orrery/api/types';
import { createFakeApi } from '@orrery/client/testing';
import { type Channel, Code, RpcError } from '@orrery/rpc';
import { type Clock, type Random, VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { startCloud } from '../../../cloud/src/testing/cloud-harness.ts';
import { type Link, type Write, createLink } from '../../../controller-manager/src/testing/simulation/link.ts';
import { createCloudControllerManager } from '../component.ts';

const uninitialized = { key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true', effect: 'NoSchedule' };
const type = 'application/merge-patch+json';
const namespace = 'd';
const troubledMs = 120_000;
const settleMs = 900_000;

/** A cloud that does not do what it is asked, or does it and does not say so. */
function flaky(channel: Channel, { dead, random, trouble }: { dead: () => boolean; random: Random; trouble: () => number }): Channel {
  const refuse = (): never => {
    throw new RpcError(Code.UNAVAILABLE, 'the cloud is busy');
  };
  return {
    ...channel,
    call(definition, method, input, options) {
      if (dead()) return new Promise(() => undefined);
      if (random.next() >= trouble()) return channel.call(definition, method, input, options);
      if (random.int(2)) return Promise.resolve().then(refuse);
      return Promise.resolve(channel.call(definition, method, input, options)).then(refuse);
    },
  };
}

interface Process {
  readonly link: Link;
  skewMs: number;
  dead: boolean;
}

/** Two cloud controller managers that fight for the lease, are killed and cut off, between an API server and a cloud that both fail them. */
export async function simulatedWorld(seed: number, sabotage: (channel: Channel) => Channel = (channel) => channel) {
  const clock = new VirtualClock({ drain: () => new Promise<void>((resolve) => void setImmediate(resolve)) });
  const random = seededRandom(seed);
  const api = createFakeApi({ clock, random: seededRandom(seed + 1) });
  const cloud = await startCloud({ clock });
  const rate = [0, 0.05, 0.15][random.int(3)] ?? 0;
  const writes: Write[] = [];
  let troubled = true;
  let born = 0;
  let processes: Process[] = [];
  const trouble = (): number => (troubled ? rate : 0);

  const spawn = (): void => {
    const own = seed * 1000 + born++;
    const link = createLink({ clock, random: seededRandom(own), truth: api, trouble, onWrite: (write) => void writes.push(write) });
    const process: Process = { link, skewMs: 0, dead: false };
    const skewed: Clock = { now: () => clock.now() + process.skewMs, monotonic: () => clock.monotonic(), after: (ms, fn) => clock.after(ms, fn), every: (ms, fn) => clock.every(ms, fn), sleep: (ms, signal) => clock.sleep(ms, signal) };
    const channel = flaky(sabotage(cloud.cloud.channel()), { dead: () => process.dead, random: seededRandom(own + 500), trouble });
    const manager = createCloudControllerManager({ clock: skewed, random: seededRandom(own + 700), log: silentLogger, metrics: createMetrics() }, { api: link, cloud: channel, identity: `m${born}` });
    void Promise.resolve(manager.start()).catch(() => undefined);
    processes.push(process);
  };
  const addNode = async (i: number): Promise<void> => {
    const name = `n${i}`;
    await cloud.instances.create({ name });
    await api.create(Nodes, { metadata: { name }, spec: { taints: [uninitialized], podCIDR: `10.244.${i}.0/24`, podCIDRs: [`10.244.${i}.0/24`] } } as Node);
    api.setStatus(Nodes, { name }, { conditions: [{ type: 'Ready', status: 'True' }], addresses: [{ type: 'InternalIP', address: `10.241.0.${i + 1}` }] });
  };
  const addService = (i: number): Promise<Service> => api.create(Services, { metadata: { name: `s${i}`, namespace }, spec: { type: 'LoadBalancer', ports: [{ name: 'http', port: 80 + i, nodePort: 30_080 + i, protocol: 'TCP' }], selector: { app: 'x' } } } as Service);
  const terminated = new Set<string>();
  let nodes = 3;
  const user = async (): Promise<void> => {
    const name = `s${random.int(3)}`;
    const service = api.find(Services, name, namespace);
    const dice = random.int(8);
    if (!service) await addService(Number(name.slice(1)));
    else if (dice < 2) await api.delete(Services, { namespace, name });
    else if (dice < 5 && !service.metadata?.deletionTimestamp) await api.patch(Services, { namespace, name }, { spec: { type: random.int(2) ? 'LoadBalancer' : 'ClusterIP' } }, { type });
    else if (dice === 5) await addNode(nodes++);
    else if (dice === 6 && terminated.size < 2) {
      const victim = api.objects(Nodes).find(({ metadata, spec }) => spec?.providerID && !terminated.has(metadata?.name ?? ''))?.metadata?.name;
      if (!victim) return;
      terminated.add(victim);
      await cloud.instances.terminate({ name: victim });
      api.setStatus(Nodes, { name: victim }, { conditions: [{ type: 'Ready', status: 'Unknown' }] });
    } else if (dice === 7 && random.int(2)) await cloud.routes.delete({ name: ((await cloud.routes.list({})).routes ?? [])[0]?.name ?? '' }).catch(() => undefined);
  };
  const hazard = (): void => {
    const [dice, victim] = [random.next(), processes[random.int(processes.length)]];
    if (!victim || rate === 0) return;
    if (dice < 0.02) {
      victim.link.cut();
      victim.dead = true;
      processes = processes.filter((one) => one !== victim);
      spawn();
    } else if (dice < 0.04) victim.link.part(random.int(25_000));
    else if (dice < 0.05) victim.skewMs = random.int(1_200_000) - 600_000;
    else if (dice < 0.06) api.compact();
  };

  /** What is not as it should be. */
  const wrong = async (): Promise<string[]> => {
    const there = api.objects(Nodes);
    const services = api.objects(Services);
    const routes = ((await cloud.routes.list({ clusterName: 'kubernetes' })).routes ?? []).map(({ targetNode, destinationCidr }) => `${targetNode} ${destinationCidr}`).sort();
    const ranges = there.map(({ metadata, spec }) => `${metadata?.name} ${spec?.podCIDR}`).sort();
    const balanced = services.filter(({ spec }) => spec?.type === 'LoadBalancer');
    const owners = ((await cloud.balancers.list({})).loadBalancers ?? []).flatMap(({ listeners = [] }) => listeners.map(({ owner }) => owner)).sort();
    return [
      ...there.filter(({ spec }) => !spec?.providerID || spec.taints?.some(({ key }) => key === uninitialized.key)).map(({ metadata }) => `node ${metadata?.name} is not initialized`),
      ...[...terminated].filter((name) => api.find(Nodes, name)).map((name) => `node ${name} outlives its instance`),
      ...(routes.join() === ranges.join() ? [] : [`routes ${routes.join()}, nodes ${ranges.join()}`]),
      ...there.filter(({ status }) => !status?.conditions?.some((one) => one.type === 'NetworkUnavailable' && one.status === 'False')).map(({ metadata }) => `node ${metadata?.name} is not told of its route`),
      ...services.filter(({ spec, status }) => (spec?.type === 'LoadBalancer') !== Boolean(status?.loadBalancer?.ingress?.length)).map(({ metadata, spec }) => `${spec?.type} ${metadata?.name} has the wrong addresses`),
      ...services.filter(({ metadata, spec }) => (spec?.type === 'LoadBalancer') !== Boolean(metadata?.finalizers?.length)).map(({ metadata }) => `service ${metadata?.name} has the wrong finalizers`),
      ...(owners.join() === balanced.map(({ metadata }) => metadata?.uid).sort().join() ? [] : [`${owners.length} listeners for ${balanced.length} services`]),
    ];
  };

  return {
    /** Lives through the troubled time, then waits until all is as it should be. Returns what is not. */
    async run(): Promise<string[]> {
      for (let i = 0; i < nodes; i++) await addNode(i);
      for (let i = 0; i < 2; i++) await addService(i);
      for (let i = 0; i < 2; i++) spawn();
      while (clock.monotonic() < troubledMs) {
        hazard();
        if (random.next() < 0.1) await user();
        await clock.advance(1_000);
      }
      troubled = false;
      for (const process of processes) process.skewMs = 0;
      const until = clock.monotonic() + settleMs;
      while ((await wrong()).length && clock.monotonic() < until) await clock.advance(5_000);
      const found = await wrong();
      if (found.length) return found;
      await clock.advance(30_000);
      const before = writes.length;
      await clock.advance(60_000);
      const busy = writes.slice(before).filter(({ resource }) => resource.resource !== 'leases' && resource.resource !== 'events');
      return busy.length ? [`${busy.length} writes with nothing to do, e.g. ${busy[0]?.verb} ${busy[0]?.resource.resource}`] : await wrong();
    },
  };
}
