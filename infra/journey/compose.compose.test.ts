import { Namespaces } from '@orrery/api';
import type { ApiClient } from '@orrery/client';
import { eventually, findKubectls } from '@orrery/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { clientOf } from '../chaos/api.ts';
import { type SteadyWriter, startWriter } from '../chaos/steady-writer.ts';
import { createTimings } from '../chaos/timings.ts';
import { type Workload, createWorkload } from '../chaos/workload.ts';
import { type ComposeCluster, startComposeCluster } from './compose-cluster.ts';
import * as shop from './shop.ts';

/** That of PATH and the newest: all of them go through the other layouts. */
const programs = findKubectls().filter(({ version }, index, all) => version === 'default' || index === all.length - 1);
/** What dies in the middle of each journey, in turn. */
const victims = ['apiserver1', 'node2-runtime'];

let cluster: ComposeCluster;
beforeAll(async () => {
  cluster = await startComposeCluster();
});
afterAll(() => cluster?.destroy());
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') process.stderr.write(await cluster.logs());
});

describe('a web shop in the compose layout', () => {
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await cluster.world('kubectl').kubectl.run(['delete', 'namespace', 'shop', '--ignore-not-found'], { timeoutMs: 120_000 });
  });

  it.each(programs.map(({ version, path }, index) => [version, victims[index % victims.length] ?? '', path] as const))('goes its whole way with kubectl %s while %s is killed', async (version, victim, path) => {
    const at = cluster.world(path);
    await shop.applyAndWait(at);
    await shop.look(at);
    await shop.logsAndExec(at);
    await shop.copy(at);
    await shop.portForward(at);
    await shop.reachFromEverywhere(at);
    if (version === 'default') await shop.ingressWithTls(at);
    await cluster.kill(victim);
    await eventually(() => shop.scale(at), { what: `scaling after ${victim} was killed`, withinMs: 90_000, everyMs: 500 });
    await eventually(() => shop.reachFromEverywhere(at), { what: `everything answers after ${victim} was killed`, withinMs: 90_000, everyMs: 500 });
    await shop.brokenUpdateAndUndo(at);
    await shop.drain(at);
    await shop.everythingGoes(at);
  });

  it('has a kubectl to go with', () => expect(programs.length).toBeGreaterThan(0));
});

describe('the loss of any container in the compose layout', () => {
  const namespace = 'chaos';
  const timings = createTimings();
  /** On two busy cores; what it takes is printed. */
  const boundMs = 120_000;
  let api: ApiClient;
  let writer: SteadyWriter;
  let workload: Workload;

  beforeAll(async () => {
    api = clientOf(cluster.kubeconfig);
    await api.create(Namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    writer = startWriter({ api, namespace });
    workload = await createWorkload({ api, namespace, name: 'web', replicas: [6, 3] });
  });
  afterAll(async () => {
    await writer?.stop();
    await api?.close();
    timings.print('compose');
  });

  /** Breaks something and sees writes and changes go on, and nothing lost. */
  const survives = async (fault: string, breaks: () => Promise<unknown>): Promise<void> => {
    writer.stretch();
    await breaks();
    await writer.nextWrite(boundMs);
    const healedMs = await workload.rescale(boundMs);
    timings.add(fault, { gapMs: writer.stretch().longestGapMs, healedMs });
    expect(await writer.lost(), fault).toEqual([]);
  };

  it('of one that is killed is healed by the engine', async () => {
    for (const service of ['nats', 'balancer', 'apiserver2', 'store1', 'store2', 'store3', 'cloud', 'coredns1', 'ingress', 'metrics-server', 'node2-kube-proxy', 'node2-kubelet', 'node2-runtime']) {
      await survives(`${service} killed`, () => cluster.kill(service));
    }
  });

  it('of a network namespace brings those in it up again', async () => {
    await survives('node3 killed', () => cluster.kill('node3'));
    const { kubectl } = cluster.world('kubectl');
    await eventually(async () => expect(await kubectl.ok(['get', 'node', 'node3', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'])).toBe('True'), { what: 'node3 is Ready', withinMs: boundMs, everyMs: 500 });
    // A Pod there can be reached, so its network is back, too.
    await kubectl.ok(['run', 'on-node3', '-n', namespace, '--image=busybox', '--overrides={"spec":{"nodeName":"node3"}}', '--', 'sleep', '3600']);
    await eventually(() => kubectl.ok(['exec', 'on-node3', '-n', namespace, '--', 'nslookup', 'kubernetes.default.svc.cluster.local']), { what: 'a Pod on node3 resolves names', withinMs: boundMs, everyMs: 500 });
  });

  it('of one that hangs is covered by its replica', async () => {
    for (const service of ['apiserver1', 'store1', 'nats']) {
      await survives(`${service} paused`, () => cluster.pause(service));
      await survives(`${service} goes on`, () => cluster.resume(service));
    }
  });

  it('of a leader is covered by its standby', async () => {
    for (const [component, lease] of [['scheduler', 'kube-scheduler'], ['controller-manager', 'kube-controller-manager'], ['cloud-controller-manager', 'cloud-controller-manager']] as const) {
      const candidates = [component, `${component}-standby`];
      const leader = await cluster.holder(lease, candidates);
      await cluster.pause(leader);
      try {
        await eventually(async () => (await cluster.holder(lease, candidates)) !== leader, { what: `another ${component} leads`, withinMs: boundMs, everyMs: 500 });
        await survives(`${component} hangs`, () => Promise.resolve());
      } finally {
        await cluster.resume(leader);
      }
    }
  });
});
