import { Deployments, Events, Leases } from '@orrery/api';
import { startSimulated, simulatedChaos } from '@orrery/testkit/simulated';
import { createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChaosController, type Experiment, type ExperimentSpec, Experiments, createChaosController } from './component.ts';

let cluster: Awaited<ReturnType<typeof startSimulated>>;
let controller: ChaosController;

beforeEach(async () => {
  cluster = await startSimulated({ nodes: 2, without: ['coredns'] });
  const { simulation } = cluster;
  const env = { clock: simulation.clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
  controller = createChaosController(env, { api: simulation.client('orrery:chaos', ['system:masters']), world: simulatedChaos(simulation), cluster: 'test' });
  const starting = controller.start();
  await cluster.eventually(() => controller.ready());
  await starting;
}, 120_000);
afterEach(async () => {
  const stopping = controller.stop();
  await cluster.advance(10);
  await stopping;
  await cluster.stop();
}, 120_000);

const create = (name: string, spec: ExperimentSpec): Promise<Experiment> => cluster.api.create(Experiments, { apiVersion: 'chaos.orrery.dev/v1', kind: 'Experiment', metadata: { name }, spec });
const read = (name: string): Promise<Experiment> => cluster.api.get(Experiments, { name });
const inPhase = (name: string, phase: string): Promise<unknown> => cluster.eventually(async () => (await read(name)).status?.phase === phase, { withinMs: 300_000, what: `${name} is ${phase}` });
const reasons = async (name: string): Promise<(string | undefined)[]> => (await cluster.api.list(Events)).items.filter(({ involvedObject }) => involvedObject?.name === name).map(({ reason }) => reason);

describe('experiments', { timeout: 120_000 }, () => {
  it('strike for their duration, recover, and tell of it', async () => {
    await create('gone', { fault: { verb: 'node-outage' }, selector: { nodes: ['node-2'] }, duration: '2m' });
    await inPhase('gone', 'Running');
    await inPhase('gone', 'Recovering');
    await inPhase('gone', 'Completed');
    const { status } = await read('gone');
    const [injection] = status?.injections ?? [];
    expect(Date.parse(injection?.endedAt ?? '') - Date.parse(injection?.startedAt ?? '')).toBe(120_000);
    expect(injection?.targets).toEqual(['node-2']);
    expect(Date.parse(injection?.recoveredAt ?? '')).toBeGreaterThanOrEqual(Date.parse(injection?.endedAt ?? ''));
    await cluster.advance(1_000);
    expect(await reasons('gone')).toEqual(['Injected', 'Ended', 'Recovered']);
    expect(controller.report().disturbances.map(({ what }) => what)).toContain('node node-2 is Ready');
  });

  it('end by themselves although the API server is what they struck', async () => {
    await create('mute', { fault: { verb: 'pause' }, selector: { components: ['apiserver'] }, duration: '30s' });
    await cluster.advance(5_000);
    expect(controller.report().injections).toMatchObject([{ name: 'mute', targets: ['apiserver'] }]);
    await inPhase('mute', 'Completed');
  });

  it('are stopped by their switch, by their deletion, and by force', async () => {
    await create('a', { fault: { verb: 'api-error', code: 503 }, selector: { users: ['scheduler'] } });
    await inPhase('a', 'Running');
    await cluster.api.patch(Experiments, { name: 'a' }, { spec: { stop: true } }, { type: 'application/merge-patch+json' });
    await inPhase('a', 'Stopped');
    await create('b', { fault: { verb: 'api-error', code: 503 }, selector: { users: ['scheduler'] } });
    await inPhase('b', 'Running');
    await cluster.api.delete(Experiments, { name: 'b' });
    await cluster.eventually(() => controller.report().injections[1]?.endedMs !== undefined);
    await create('c', { fault: { verb: 'api-error', code: 503 }, selector: { users: ['scheduler'] } });
    await inPhase('c', 'Running');
    expect(await controller.end()).toEqual(['c']);
    await inPhase('c', 'Completed');
    const lease = (await cluster.api.get(Leases, { namespace: 'kube-system', name: 'kube-scheduler' })).spec?.renewTime;
    await cluster.eventually(async () => (await cluster.api.get(Leases, { namespace: 'kube-system', name: 'kube-scheduler' })).spec?.renewTime !== lease, { what: 'the scheduler is heard again' });
  });

  it('strike by schedule', async () => {
    await create('often', { fault: { verb: 'kill' }, selector: { components: ['scheduler'] }, schedule: '*/10 * * * *' });
    await inPhase('often', 'Scheduled');
    await cluster.advance(31 * 60_000);
    const { status } = await read('often');
    expect(status?.injections).toHaveLength(3);
    expect(status?.nextInjectionAt).toBe('2026-01-01T00:40:00Z');
  });

  it('say what they cannot do, and what is wrong with them', async () => {
    await create('nats', { fault: { verb: 'nats-outage' } });
    await inPhase('nats', 'Failed');
    expect((await read('nats')).status?.message).toBe('nats-outage cannot be done in the simulated world; these can: processes, compose');
    await create('wrong', { fault: { verb: 'delay' }, selector: { from: ['node-1'], to: ['node-2'] } });
    await inPhase('wrong', 'Failed');
    expect((await read('wrong')).status?.message).toBe('spec.fault.delayMs: delay needs it');
    await expect(create('unknown', { fault: { verb: 'explode' as 'kill' } })).rejects.toThrow('spec.fault.verb: Unsupported value: "explode"');
  });

  it('leave out of the report what was not well before', async () => {
    const spec = { replicas: 1, selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { nodeSelector: { no: 'node' }, containers: [{ name: 'c', image: 'nginx' }] } } };
    await cluster.api.create(Deployments, { metadata: { name: 'never', namespace: 'default' }, spec });
    await cluster.advance(1_000);
    await create('short', { fault: { verb: 'restart' }, selector: { components: ['scheduler'] } });
    await inPhase('short', 'Completed');
    expect(controller.report().disturbances).toEqual([]);
  });
});
