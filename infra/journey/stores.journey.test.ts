import { type TestCluster, eventually, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFailed } from 'vitest';

/** What is asked of here is the store and the API server. */
const without = 'scheduler,controller-manager,cloud-controller-manager,cloud,kube-proxy,coredns,ingress,metrics-server';
let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster({ layout: 'processes', nodes: 0, args: ['--stores', '3', '--without', without, '--timeout', '170'] });
}, 240_000);
afterAll(async () => {
  await cluster?.destroy();
}, 120_000);
beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

it('a cluster on three stores goes on while each of them is killed, and after all of them are', { timeout: 300_000 }, async () => {
  const kubectl = cluster.kubectl();
  const stores = (): [string, number][] => Object.entries(cluster.state().processes ?? {}).filter(([name]) => name.startsWith('store'));
  expect(stores().map(([name]) => name)).toEqual(['store-1', 'store-2', 'store-3']);
  const made: string[] = [];
  // A client tries again what failed with the leader; what it was told is there must be there.
  const create = async (name: string): Promise<void> => {
    await eventually(() => kubectl.ok(['create', 'configmap', name]).catch((error: Error) => (error.message.includes('AlreadyExists') || error.message.includes('already exists') ? '' : Promise.reject(error))), { what: `creating ${name}`, withinMs: 60_000, everyMs: 500 });
    made.push(name);
  };
  for (const [name, pid] of stores()) {
    await create(`before-${name}`);
    process.kill(pid, 'SIGKILL');
    for (let i = 0; i < 3; i++) await create(`after-${name}-${i}`);
    await eventually(() => expect(new Map(stores()).get(name)).not.toBe(pid), { what: `${name} started again`, withinMs: 60_000 });
  }
  for (const [, pid] of stores()) process.kill(pid, 'SIGKILL');
  await create('after-all');
  const names = (await kubectl.ok(['get', 'configmaps', '-o', 'jsonpath={.items[*].metadata.name}'])).split(' ');
  expect(names).toEqual(expect.arrayContaining(made));
});

it('comes back as it was', { timeout: 240_000 }, async () => {
  await cluster.kill9();
  await cluster.up();
  const kubectl = cluster.kubectl();
  expect(await kubectl.ok(['get', 'configmap', 'after-all', '-o', 'jsonpath={.metadata.name}'])).toBe('after-all');
});
