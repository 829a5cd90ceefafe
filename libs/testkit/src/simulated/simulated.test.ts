import { type Aim, type Selector, type Verb, cannot, describeVerb, verbNames } from '@orrery/chaos';
import { CronJobs, Deployments, Jobs, Nodes, PersistentVolumeClaims, Pods, Services } from '@orrery/api';
import { afterEach, describe, expect, it } from 'vitest';
import type { FaultInput, TestWorld } from '../test-world.ts';
import { startSimulated } from './start.ts';

let cluster: TestWorld;
afterEach(() => cluster.stop(), 120_000);

const minute = 60_000;
const template = (app: string, image = 'nginx') => ({ metadata: { labels: { app } }, spec: { containers: [{ name: 'c', image }] } });
const deployment = (name: string, replicas: number) => ({ metadata: { name, namespace: 'default' }, spec: { replicas, selector: { matchLabels: { app: name } }, template: template(name) } });
const isReady = async (name: string, replicas: number): Promise<boolean> => (await cluster.api.get(Deployments, { namespace: 'default', name })).status?.readyReplicas === replicas;
const readyNodes = async (): Promise<number> => (await cluster.api.list(Nodes)).items.filter(({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')).length;

describe('a simulated cluster', { timeout: 120_000 }, () => {
  it('runs fifty Pods on five nodes, and an hour of a CronJob', async () => {
    cluster = await startSimulated({ nodes: 5 });
    await cluster.api.create(Deployments, deployment('web', 50));
    await cluster.eventually(() => isReady('web', 50), { what: 'fifty Pods' });
    const nodes = new Set((await cluster.api.list(Pods)).items.map(({ spec }) => spec?.nodeName));
    expect(nodes.size).toBe(5);
    await cluster.api.delete(Deployments, { namespace: 'default', name: 'web' });
    const jobTemplate = { spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'busybox', command: ['true'] }] } } } };
    await cluster.api.create(CronJobs, { metadata: { name: 'tick', namespace: 'default' }, spec: { schedule: '*/5 * * * *', jobTemplate } });
    const from = cluster.now();
    await cluster.advance(60 * minute);
    expect(cluster.now() - from).toBe(60 * minute);
    const jobs = new Set(cluster.history(Jobs).map(({ object }) => object.metadata?.name));
    expect(jobs.size).toBe(12);
    const finished = cluster.history(Jobs).filter(({ object }) => (object as { status?: { succeeded?: number } }).status?.succeeded === 1);
    expect(new Set(finished.map(({ object }) => object.metadata?.name)).size).toBe(12);
  });

  it('moves the Pods of a node that is gone, and takes it back', async () => {
    cluster = await startSimulated({ nodes: 3, seed: 5 });
    await cluster.api.create(Deployments, deployment('web', 6));
    await cluster.eventually(() => isReady('web', 6));
    const outage = await cluster.chaos.inject({ verb: 'node-outage', selector: { nodes: ['node-2'] } });
    await cluster.eventually(async () => (await readyNodes()) === 2, { withinMs: 5 * minute, what: 'node-2 is missed' });
    await cluster.advance(6 * minute);
    const running = (await cluster.api.list(Pods)).items.filter(({ metadata, spec }) => !metadata?.deletionTimestamp && spec?.nodeName !== 'node-2');
    expect(running).toHaveLength(6);
    await outage.end();
    await cluster.eventually(async () => (await readyNodes()) === 3, { withinMs: 5 * minute, what: 'node-2 is back' });
    const report = cluster.chaos.report();
    expect(report.injections).toMatchObject([{ what: 'node-outage node-2', targets: ['node-2'] }]);
    expect(report.disturbances.map(({ what }) => what)).toEqual(['node node-2 is Ready']);
    expect(report.injections[0]?.recoveredMs).toBeGreaterThanOrEqual(report.injections[0]?.endedMs ?? Infinity);
  });

  it('survives the death of every component', async () => {
    cluster = await startSimulated({ nodes: 2, seed: 9 });
    await cluster.api.create(Deployments, deployment('web', 2));
    for (const component of ['scheduler', 'controller-manager', 'apiserver', 'store', 'kubelet-node-1', 'kube-proxy', 'coredns']) {
      await cluster.chaos.inject({ verb: 'kill', selector: { components: [component] } });
      await cluster.advance(2 * minute);
    }
    await cluster.api.patch(Deployments, { namespace: 'default', name: 'web' }, { spec: { replicas: 5 } }, { type: 'application/merge-patch+json' });
    await cluster.eventually(() => isReady('web', 5), { withinMs: 5 * minute });
    expect(await readyNodes()).toBe(2);
  });

  it('sees its connections end with the API server, and goes on with the next at once', async () => {
    cluster = await startSimulated({ nodes: 1, without: ['coredns', 'kube-proxy'] });
    await cluster.chaos.inject({ verb: 'kill', selector: { components: ['apiserver'] } });
    await cluster.eventually(() => cluster.api.create(Deployments, deployment('web', 1)), { what: 'another API server' });
    await cluster.eventually(() => isReady('web', 1), { withinMs: 30_000, what: 'all have heard of it' });
    expect(cluster.history(Pods).length).toBeGreaterThan(2);
  });

  it('can be struck by every fault that the table says, and is well again after all of them', async () => {
    const network = { from: ['node-1'], to: ['node-2'] };
    const more: Partial<Record<Verb, Omit<FaultInput, 'verb'>>> = {
      delay: { delayMs: 20 }, loss: { percent: 10 }, bandwidth: { bytesPerSecond: 100_000 }, 'disk-slow': { delayMs: 20 }, 'fsync-error': { percent: 100 }, 'clock-skew': { byMs: 60_000 }, 'clock-jump': { byMs: 60_000 },
      'api-error': { code: 500 }, 'api-delay': { delayMs: 100 }, 'watch-delay': { delayMs: 100 },
    };
    const selectors: Record<Aim, Selector> = { components: { components: ['scheduler'] }, nodes: { nodes: ['node-1'] }, zones: { zones: ['z'] }, pairs: network, requests: {}, cluster: {} };
    cluster = await startSimulated({ nodes: 2, cloud: true, zone: () => 'z', without: ['coredns', 'kube-proxy'] });
    await cluster.eventually(async () => (await readyNodes()) === 2);
    const here = verbNames.filter((verb) => cannot(verb, 'simulated') === undefined);
    expect(here).toHaveLength(verbNames.length - 1);
    for (const verb of here) {
      const selector = verb.startsWith('disk') || verb === 'fsync-error' ? { components: ['store'] } : selectors[describeVerb(verb).aim];
      const struck = await cluster.chaos.inject({ verb, selector, ...more[verb] });
      expect(struck.targets, verb).not.toEqual([]);
      await cluster.advance(1_000);
      await struck.end();
      // A store whose disk failed to sync takes no more writes until it is started again.
      if (verb === 'fsync-error') await cluster.chaos.inject({ verb: 'kill', selector: { components: ['store', 'apiserver'] } });
      await cluster.advance(10_000);
    }
    expect(cluster.chaos.report().injections.filter(({ error }) => error)).toEqual([]);
    await cluster.eventually(() => cluster.api.create(Deployments, deployment('web', 2)), { withinMs: 5 * minute });
    await cluster.eventually(() => isReady('web', 2), { withinMs: 10 * minute });
  });

  it('says which worlds can do what it cannot', async () => {
    cluster = await startSimulated({ nodes: 0, without: ['coredns', 'kube-proxy'] });
    await expect(cluster.chaos.inject({ verb: 'nats-outage' })).rejects.toThrow('nats-outage cannot be done in the simulated world; these can: processes, compose');
    await expect(cluster.chaos.inject({ verb: 'cloud-outage' })).rejects.toThrow('this cluster has no cloud: start it with one, startCluster({ cloud: true })');
    await expect(cluster.chaos.inject({ verb: 'kill', selector: { components: ['schedular'] } })).rejects.toThrow('there is no component "schedular"; there are: store, apiserver, scheduler, controller-manager');
    await expect(cluster.chaos.inject({ verb: 'api-error', code: 1 })).rejects.toThrow('code: must be an HTTP status from 400 to 599');
  });
});

describe('a simulated cluster with a cloud', { timeout: 120_000 }, () => {
  const namespace = 'default';
  const service = (name: string) => ({ metadata: { namespace, name }, spec: { type: 'LoadBalancer', selector: { app: 'web' }, ports: [{ port: 80 }] } });
  const address = async (name: string): Promise<string | undefined> => (await cluster.api.get(Services, { namespace, name })).status?.loadBalancer?.ingress?.[0]?.ip;

  it('lives on machines of it, puts Pods on its disks and Services on its addresses', async () => {
    cluster = await startSimulated({ nodes: 2, cloud: true, zone: (index) => `z${index}`, without: ['coredns', 'kube-proxy'] });
    await cluster.api.create(Services, service('first'));
    await cluster.api.create(PersistentVolumeClaims, { metadata: { namespace, name: 'data' }, spec: { storageClassName: 'cloud-disk', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } });
    const pod = (name: string, script: string) => ({ metadata: { namespace, name }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', script], volumeMounts: [{ name: 'd', mountPath: '/data' }] }], volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }] } });
    const succeeded = async (name: string): Promise<boolean> => (await cluster.api.get(Pods, { namespace, name })).status?.phase === 'Succeeded';
    await cluster.api.create(Pods, pod('writer', 'echo kept > /data/file'));
    await cluster.eventually(() => succeeded('writer'), { what: 'a Pod that writes on a disk' });
    await cluster.api.create(Pods, pod('reader', 'test "$(cat /data/file)" = kept'));
    await cluster.eventually(() => succeeded('reader'), { what: 'another that reads it' });
    expect((await cluster.api.list(Nodes)).items.map(({ metadata, spec }) => `${metadata?.labels?.['topology.kubernetes.io/zone']} ${spec?.providerID}`)).toEqual([expect.stringMatching(/^z0 orrery:\/\/\/z0\/i-/), expect.stringMatching(/^z1 orrery:\/\/\/z1\/i-/)]);
    expect(await address('first')).toMatch(/^10\.250\./);
  });

  it.each([{ verb: 'cloud-outage' }, { verb: 'pause', selector: { components: ['cloud'] } }] as const)('$verb: what is asked meanwhile comes afterwards', async (fault) => {
    cluster = await startSimulated({ nodes: 1, cloud: true, without: ['coredns', 'kube-proxy', 'csi-disk'] });
    await cluster.advance(5_000);
    const struck = await cluster.chaos.inject(fault);
    expect(struck.targets).toEqual(['cloud']);
    await cluster.api.create(Services, service('late'));
    await cluster.advance(2 * minute);
    expect(await address('late')).toBeUndefined();
    await struck.end();
    await cluster.chaos.inject({ verb: 'kill', selector: { components: ['cloud'] } });
    await cluster.eventually(() => address('late').then(Boolean), { withinMs: 6 * minute, what: 'an address' });
    expect(cluster.history(Nodes).filter(({ type }) => type === 'DELETED')).toEqual([]);
  });
});

describe('a seed', { timeout: 120_000 }, () => {
  const story = async (seed: number): Promise<string[]> => {
    cluster = await startSimulated({ nodes: 2, seed });
    await cluster.chaos.inject({ verb: 'api-error', code: 500, percent: 20, when: 'after', selector: { verbs: ['write'] } });
    await cluster.chaos.inject({ verb: 'watch-drop', delayMs: 3_000, percent: 50 });
    await cluster.eventually(async () => Boolean(await cluster.api.create(Deployments, deployment('web', 4)).catch((error: { code: number }) => error.code === 409)));
    await cluster.advance(minute);
    await cluster.chaos.stopAll();
    await cluster.eventually(() => isReady('web', 4), { withinMs: 5 * minute });
    const told = cluster.history().map(({ atMs, type, resource, object }) => `${atMs} ${type} ${resource} ${object.metadata?.name} ${object.metadata?.resourceVersion}`);
    await cluster.stop();
    return told;
  };

  it('brings about the same history again, another one another', async () => {
    const first = await story(11);
    expect(await story(11)).toEqual(first);
    expect(await story(12)).not.toEqual(first);
  });
});
