import { eventually, findKubectls } from '@orrery/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ComposeCluster, startComposeCluster } from './compose-cluster.ts';
import * as shop from './shop.ts';

const programs = findKubectls();
/** What dies in the middle of each journey, in turn. */
const victims = ['apiserver', 'node2-runtime', 'store', 'controller-manager', 'node1-kube-proxy', 'nats', 'coredns', 'node3-kubelet', 'cloud', 'ingress'];

describe('a web shop in the compose layout', () => {
  let cluster: ComposeCluster;

  beforeAll(async () => {
    cluster = await startComposeCluster();
  });
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    process.stderr.write(await cluster.logs());
    await cluster.world('kubectl').kubectl.run(['delete', 'namespace', 'shop', '--ignore-not-found'], { timeoutMs: 120_000 });
  });
  afterAll(() => cluster?.destroy());

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
