// A test of a user's own, with node:test and nothing else: `node --test infra/examples/testkit/operator.test.mjs`. The cluster lives in this process, on a clock that
// moves only when something waits for it: six minutes pass at once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Deployments, Nodes, Pods } from '@orrery/api';
import { startCluster } from '@orrery/testkit';

let cluster;
before(async () => {
  cluster = await startCluster({ world: 'simulated', nodes: 2, seed: 7, without: ['coredns', 'kube-proxy'] });
});
after(() => cluster.stop());

test('Pods of a node that is gone run elsewhere', async () => {
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx' }] } };
  await cluster.api.create(Deployments, { metadata: { namespace: 'default', name: 'web' }, spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template } });
  const readyOn = async () => (await cluster.api.list(Pods)).items.filter((pod) => !pod.metadata.deletionTimestamp && pod.status?.phase === 'Running').map((pod) => pod.spec.nodeName);
  await cluster.eventually(async () => (await readyOn()).length === 2, { what: 'two Pods run' });
  await cluster.chaos.during({ verb: 'node-outage', selector: { nodes: ['node-2'] } }, async () => {
    await cluster.advance(6 * 60_000);
    await cluster.eventually(async () => (await readyOn()).every((node) => node === 'node-1'), { what: 'all run on the node that is left' });
  });
  await cluster.eventually(async () => (await cluster.api.list(Nodes)).items.every((node) => node.status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True')), { withinMs: 300_000, what: 'both nodes are Ready' });
  assert.deepEqual(cluster.chaos.report().disturbances.map(({ what }) => what), ['node node-2 is Ready']);
  assert.ok(cluster.history(Pods).length > 4);
});
