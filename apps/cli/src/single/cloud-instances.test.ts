import { type BalancerNetwork, cloudSchema, createCloud } from '@orrery/cloud/component';
import { InstancesDefinition, ScalingGroupsDefinition } from '@orrery/proto/cloud';
import { createClient } from '@orrery/rpc';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { UserError } from '../user-error.ts';
import { createCloudInstances } from './cloud-instances.ts';

const unused = (): never => {
  throw new Error('nothing is balanced here');
};
const network: BalancerNetwork = { listen: unused, listenHttp: unused, listenUdp: unused, dial: unused };

it('instances that run are nodes, and no others', async () => {
  const clock = new VirtualClock();
  const env = { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
  const cloud = createCloud(env, { network }, resolveConfig(cloudSchema, [{ instanceIpv6Range: 'fd00:10:241::/112' }]));
  await cloud.start();
  const on = new Map<string, string>();
  const host = {
    list: () => [...on.keys()],
    async start({ name, ips, cpu, memory, labels }: { name: string; ips: readonly string[]; cpu: string; memory: string; labels: readonly string[] }) {
      if (name === 'node-1') throw new UserError('there is a node node-1 already');
      on.set(name, `${ips.join()} ${cpu} ${memory} ${labels.join()}`);
    },
    stop: async (name: string) => void on.delete(name),
  };
  const component = createCloudInstances(env, { cloud: cloud.channel(), host });
  await component.start();
  const groups = createClient(ScalingGroupsDefinition, cloud.channel());
  const instances = createClient(InstancesDefinition, cloud.channel());
  await groups.put({ name: 'workers', max: 3, desired: 2, instanceType: 'o1.medium', labels: { pool: 'w' } });
  await clock.advance(1_000);
  expect(on.size).toBe(0);
  await clock.advance(2_000);
  expect([...on.keys()]).toEqual([expect.stringMatching(/^workers-/), expect.stringMatching(/^workers-/)]);
  expect([...on.values()][0]).toMatch(/^10\.241\.0\.\d+,fd00:10:241::\d+ 2 8589934592 pool=w$/);
  await groups.setDesired({ name: 'workers', desired: 1 });
  await clock.advance(1_000);
  expect(on.size).toBe(1);
  const [name = ''] = on.keys();
  await instances.stop({ name });
  await clock.advance(1_000);
  expect(on.size).toBe(0);
  await clock.advance(2_000);
  await instances.start({ name });
  // The name of a node that is none of the cloud's.
  await instances.create({ name: 'node-1' });
  await clock.advance(4_000);
  expect([...on.keys()]).toEqual([name]);
  await component.stop();
  await cloud.stop();
  expect(clock.pending).toBe(0);
});
