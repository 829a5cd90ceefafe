import { ConfigMaps, Deployments, Pods } from '@orrery/api';
import { type ApiClient, createRestApiClient } from '@orrery/client';
import { createHttpClient, loadKubeconfig, realEnv } from '@orrery/node-io';
import { type TestCluster, eventually, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';

const namespace = 'default';
let cluster: TestCluster;

function connect(): ApiClient {
  const { server, ca, cert, key } = loadKubeconfig(cluster.kubeconfig);
  const http = createHttpClient({ server, ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) });
  return createRestApiClient({ http, env: realEnv({ name: 'crash-test', level: 'error' }) });
}

beforeAll(async () => void (cluster = await startTestCluster({ layout: 'single', nodes: 2 })), 60_000);
afterAll(() => cluster?.destroy(), 60_000);

interface Acknowledged {
  readonly name: string;
  readonly uid: string;
  readonly value: string;
}

/** Creates and updates objects, several at a time, until the server is gone; what it acknowledged goes into `kept`. */
async function writeUntilGone(api: ApiClient, round: number, kept: Map<string, Acknowledged>): Promise<void> {
  const writer = async (n: number): Promise<void> => {
    for (let i = 0; ; i++) {
      const name = `r${round}-${n}-${i}`;
      try {
        const made = await api.create(ConfigMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { value: 'first' } });
        kept.set(name, { name, uid: made.metadata?.uid ?? '', value: 'first' });
        await api.update(ConfigMaps, { ...made, data: { value: 'second' } });
        kept.set(name, { name, uid: made.metadata?.uid ?? '', value: 'second' });
      } catch {
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, n) => writer(n)));
}

it('loses nothing that was acknowledged, whenever it is killed', { timeout: 180_000 }, async () => {
  const kept = new Map<string, Acknowledged>();
  let api = connect();
  await api.create(Deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace },
    spec: { replicas: 4, selector: { matchLabels: { app: 'web' } }, template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'registry.k8s.io/pause:3.10' }] } } },
  });
  for (let round = 0; round < 5; round++) {
    const writing = writeUntilGone(api, round, kept);
    await new Promise((resolve) => setTimeout(resolve, 150 + round * 170));
    await cluster.kill9();
    await writing;
    await api.close();
    await cluster.up();
    api = connect();
    const { items } = await api.list(ConfigMaps, { namespace });
    const found = new Map(items.map((item) => [item.metadata?.name ?? '', item]));
    const lost = [...kept.values()].filter(({ name, uid, value }) => {
      const item = found.get(name);
      // A write whose acknowledgement was cut off may have taken effect: `second` where only `first` was confirmed.
      return item?.metadata?.uid !== uid || (value === 'second' && item.data?.['value'] !== 'second');
    });
    expect(lost).toEqual([]);
  }
  expect(kept.size).toBeGreaterThan(100);
  await eventually(
    async () => {
      const pods = (await api.list(Pods, { namespace, labelSelector: 'app=web' })).items.filter((pod) => !pod.metadata?.deletionTimestamp);
      const ready = pods.filter((pod) => pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'));
      return pods.length === 4 && ready.length === 4;
    },
    { what: 'the deployment has its four pods again', withinMs: 60_000 },
  );
  await api.close();
});
