import { ConfigMaps, CustomResourceDefinitions, Deployments, Namespaces, Pods, ReplicaSets, ServiceAccounts } from '@orrery/api';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { startSimulated } from '@orrery/testkit/simulated';
import { describe, expect, it } from 'vitest';
import { type RecordedChange, header, inReplayOrder, parseRecording, withoutServerFields } from './record-format.ts';
import { Recorder } from './recorder.ts';
import { replay } from './replayer.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot-file.ts';

const change = (ms: number, resource: ResourceRef, object: KubeObject, type: RecordedChange['type'] = 'ADDED'): RecordedChange => ({ ms, type, resource, object });

describe('a recording', () => {
  const line = JSON.stringify(change(0, ConfigMaps, { metadata: { name: 'a' } }));
  const head = JSON.stringify(header(0));

  it('is read back, but for a line that was cut off', () => {
    expect(parseRecording(`${head}\n${line}\n${line.slice(0, 30)}`)).toHaveLength(1);
  });

  it.each([
    ['', 'line 1: it is no recording of a change feed'],
    ['{"orrery":"recording","version":2}\n', 'line 1: it has version 2, this build reads 1'],
    [`${head}\n{"ms":1}\n`, 'line 2: it is no change of an object'],
    [`${head}\n${line}\nnonsense\n`, 'line 3: Unexpected token'],
  ])('%j is refused', (text, why) => {
    expect(() => parseRecording(text)).toThrow(why);
  });

  it('begins with what the rest needs', () => {
    const names = inReplayOrder([change(0, Pods, { metadata: { name: 'pod' } }), change(5, ConfigMaps, { metadata: { name: 'later' } }), change(0, Namespaces, { metadata: { name: 'ns' } }), change(0, ServiceAccounts, { metadata: { name: 'sa' } })]).map(({ object }) => object.metadata?.name);
    expect(names).toEqual(['ns', 'sa', 'pod', 'later']);
  });

  it('keeps of an object what is not the server\'s', () => {
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', uid: 'old' };
    const object = { metadata: { name: 'a', uid: 'u', resourceVersion: '7', creationTimestamp: 'then', labels: { x: 'y' }, ownerReferences: [owner, { ...owner, uid: 'unknown' }] } } as KubeObject;
    expect(withoutServerFields(object, new Map([['old', 'new']]))).toEqual({ metadata: { name: 'a', labels: { x: 'y' }, ownerReferences: [{ ...owner, uid: 'new' }] } });
  });
});

it('a snapshot holds what was put into it, and nothing that leads elsewhere', () => {
  const snapshot = { takenMs: 1, layout: 'single', nodes: 2, store: Buffer.from('store'), files: [{ path: 'pki/ca.key', mode: 0o600, bytes: Buffer.from([0, 255]) }] } as const;
  expect(decodeSnapshot(encodeSnapshot(snapshot))).toEqual(snapshot);
  expect(() => decodeSnapshot(Buffer.from('x'))).toThrow('it is no snapshot of a cluster, or is damaged');
  for (const path of ['../x', '/etc/x', 'a/../../x', '']) expect(() => decodeSnapshot(encodeSnapshot({ ...snapshot, files: [{ path, mode: 0, bytes: Buffer.alloc(0) }] })), path).toThrow('outside of the data directory');
});

describe('what was recorded in one cluster', { timeout: 120_000 }, () => {
  it('happens in another, in its order and at its pace', async () => {
    const from = await startSimulated({ nodes: 2, without: ['coredns', 'kube-proxy'] });
    const recorded: RecordedChange[] = [];
    const recorder = new Recorder({ api: from.as('kubernetes-admin', ['system:masters']), clock: from.simulation.clock, write: (one) => void recorded.push(one) });
    for (const resource of [Namespaces, ServiceAccounts, ConfigMaps, CustomResourceDefinitions, Deployments, ReplicaSets, Pods] as ResourceRef[]) recorder.follow(resource);
    await from.advance(1_000);
    await from.api.create(Deployments, { metadata: { name: 'web', namespace: 'default' }, spec: { replicas: 3, selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } } } });
    await from.api.create(ConfigMaps, { metadata: { name: 'gone', namespace: 'default' } });
    await from.eventually(async () => (await from.api.get(Deployments, { namespace: 'default', name: 'web' })).status?.readyReplicas === 3);
    await from.advance(60_000);
    await from.api.delete(ConfigMaps, { namespace: 'default', name: 'gone' });
    await from.advance(1_000);
    recorder.stop();
    await from.stop();
    const revisions = recorded.map(({ object }) => Number(object.metadata?.resourceVersion));
    expect(revisions.slice(recorded.findIndex(({ ms }) => ms > 0))).toEqual(revisions.slice(recorded.findIndex(({ ms }) => ms > 0)).toSorted((a, b) => a - b));

    const to = await startSimulated({ nodes: 0, without: ['coredns', 'kube-proxy', 'scheduler', 'controller-manager'] });
    const started = to.now();
    const whole = `${[header(0), ...recorded].map((one) => JSON.stringify(one)).join('\n')}\n`;
    let result: Awaited<ReturnType<typeof replay>> | undefined;
    const replaying = replay(parseRecording(whole), { api: to.as('kubernetes-admin', ['system:masters']), clock: to.simulation.clock, speed: 10 }).then((done) => (result = done));
    await to.eventually(() => result !== undefined, { withinMs: 120_000 });
    await replaying;
    expect([...(result?.refused ?? [])]).toEqual([]);
    const took = to.now() - started;
    expect(took).toBeGreaterThan(6_000);
    expect(took).toBeLessThan(12_000);
    const pods = (await to.api.list(Pods, { namespace: 'default' })).items;
    expect(pods.map(({ status }) => status?.phase)).toEqual(['Running', 'Running', 'Running']);
    const [set] = (await to.api.list(ReplicaSets)).items;
    expect(pods.map(({ metadata }) => metadata?.ownerReferences?.[0]?.uid)).toEqual(Array(3).fill(set?.metadata?.uid));
    expect((await to.api.get(Deployments, { namespace: 'default', name: 'web' })).status?.readyReplicas).toBe(3);
    expect(result?.deleted).toBe(1);
    await to.stop();
  });
});
