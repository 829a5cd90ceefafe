import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { ConfigMaps, Pods } from '@orrery/api';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type Bus, createNatsBus } from '@orrery/bus';
import { type ApiClient, type WatchOptions, createGrpcApiClient, createInformer, withFeed } from '@orrery/client';
import { realEnv } from '@orrery/node-io';
import { grpcChannel } from '@orrery/rpc';
import { createMetrics } from '@orrery/runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { eventually, startTestServer } from '../../test/test-server.ts';

const hasNats = (() => {
  try {
    execFileSync('nats-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const env = realEnv({ name: 'test', level: 'error' });

/** NATS on one port, that can be killed and started again. */
function natsServer(port: number): { start(): void; kill(): Promise<void>; bus(): Bus } {
  let server: ChildProcess | undefined;
  return {
    start: () => void (server = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })),
    async kill() {
      const gone = new Promise((resolve) => server?.once('exit', resolve));
      if (server?.kill('SIGKILL')) await gone;
    },
    bus: () => createNatsBus({ url: `nats://127.0.0.1:${port}`, clock: env.clock, reconnectWaitMs: 20 }),
  };
}

/** Every change of a watch from `from` on, resumed as informers do. */
function record(api: ApiClient, resource: ResourceRef<KubeObject>, options: WatchOptions): string[] {
  const seen: string[] = [];
  const watch = (from: string): void => {
    let last = from;
    api.watch(resource, { ...options, resourceVersion: from, allowWatchBookmarks: true }, {
      events(batch) {
        for (const { type, object } of batch) {
          last = object.metadata?.resourceVersion ?? last;
          if (type !== 'BOOKMARK') seen.push(`${type} ${object.metadata?.name} ${last}`);
        }
      },
      closed: () => watch(last),
    });
  };
  watch(options.resourceVersion ?? '');
  return seen;
}

/** Config maps, some bigger than a message of NATS may be, and pods that are bound and sometimes deleted. */
async function load(api: ApiClient, run: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const name = `${run}-${i}`;
    if (i % 2 === 0) {
      await api.create(ConfigMaps, { metadata: { namespace: i % 4 ? 'a' : 'b', name }, data: { blob: 'x'.repeat(i % 20 === 10 ? 1_048_000 : 10) } });
      continue;
    }
    await api.create(Pods, { metadata: { namespace: 'a', name }, spec: { containers: [{ name: 'c', image: 'i' }] } } as never);
    await api.createSubresource(Pods, { namespace: 'a', name }, 'binding', { target: { name: i % 3 ? 'n1' : 'n2' } });
    if (i % 5 === 0) await api.delete(Pods, { namespace: 'a', name }, { gracePeriodSeconds: 0 });
  }
}

const selections: readonly { resource: ResourceRef<KubeObject>; options: WatchOptions }[] = [
  { resource: Pods, options: {} },
  { resource: Pods, options: { fieldSelector: 'spec.nodeName=n1' } },
  { resource: ConfigMaps, options: { namespace: 'a' } },
  { resource: ConfigMaps, options: {} },
];

describe.skipIf(!hasNats)('the change feed over NATS, of two API servers', () => {
  test('loses, doubles and reorders nothing while NATS is killed and comes back', async () => {
    const nats = natsServer(await freePort());
    nats.start();
    const serverBus = nats.bus();
    const clientBus = nats.bus();
    onTestFinished(async () => {
      await clientBus.close();
      await serverBus.close();
      await nats.kill();
    });
    const t = await startTestServer({}, { bus: serverBus });
    onTestFinished(() => t.stop());
    const other = await t.replica();
    const { resourceVersion } = await t.api.list(Pods, {});
    const metrics = createMetrics();
    const direct = createGrpcApiClient(grpcChannel(`127.0.0.1:${other.grpcPort}`, {}), { env });
    const fed = withFeed(direct, { bus: clientBus, env: { clock: env.clock, metrics } });
    const truth = selections.map(({ resource, options }) => record(t.api, resource, { ...options, resourceVersion }));
    const logs = selections.map(({ resource, options }) => record(fed, resource, { ...options, resourceVersion }));
    const informer = createInformer(fed, Pods, { env });
    informer.start();
    const live = (count: number): Promise<void> => eventually(() => metrics.expose().includes(`orrery_feed_watches{state="live"} ${count}`), `${count} live watches`);
    await live(5);
    await load(t.api, 'before', 60);
    await eventually(() => logs.every((log, i) => log.length === truth[i]?.length), 'everything before');
    const events = (): number => [...metrics.expose().matchAll(/^orrery_feed_events_total\{.*\} (\d+)/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
    const before = events();
    expect(before).toBeGreaterThan(100);

    const loading = load(t.api, 'during', 200);
    await eventually(() => (truth[0]?.length ?? 0) > 120, 'the load');
    await nats.kill();
    await eventually(() => (truth[0]?.length ?? 0) > 200, 'more load');
    nats.start();
    await loading;
    await live(5);
    const back = events();
    await load(t.api, 'after', 20);
    await eventually(() => logs.every((log, i) => log.length === truth[i]?.length), 'everything');
    expect(logs).toEqual(truth);
    expect(events()).toBeGreaterThan(back);
    expect(metrics.expose()).toMatch(/orrery_feed_resumes_total\{reason="disconnected"\} [1-9]/);
    expect(metrics.expose()).toMatch(/orrery_feed_resumes_total\{reason="withheld"\} [1-9]/);
    const stored = (await t.api.list(Pods, {})).items.map((one) => `${one.metadata?.name} ${one.metadata?.resourceVersion}`).sort();
    await eventually(() => informer.size === stored.length, 'the informer');
    expect([...informer.list()].map((one) => `${one.metadata?.name} ${one.metadata?.resourceVersion}`).sort()).toEqual(stored);

    informer.stop();
    await fed.close();
  });
});
