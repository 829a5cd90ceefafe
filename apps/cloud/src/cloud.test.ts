import { describe, expect, it } from 'vitest';
import type { DiskContents } from './disks.ts';
import { createLedger } from './ledger.ts';
import { memoryState, startCloud } from './testing/cloud-harness.ts';

const gib = 2 ** 30;

describe('instances', () => {
  it('start, stop and go in their time, spread over zones', async () => {
    const { instances, clock } = await startCloud();
    const [a, b] = [await instances.create({ name: 'a' }), await instances.create({ name: 'b', type: 'o1.large', labels: { x: 'y' } })];
    expect(a).toMatchObject({ state: 'PENDING', zone: 'orrery-1a', region: 'orrery-1', privateIp: '10.241.0.1', cpus: 2, memoryBytes: 4 * gib, providerId: `orrery:///orrery-1a/${a.id ?? ''}` });
    expect(b).toMatchObject({ zone: 'orrery-1b', cpus: 4 });
    await clock.advance(2000);
    const byProvider = { providerId: a.providerId ?? '' };
    expect((await instances.get(byProvider)).state).toBe('RUNNING');
    expect((await instances.stop(byProvider)).state).toBe('STOPPING');
    await clock.advance(2000);
    expect((await instances.get({ name: 'a' })).state).toBe('STOPPED');
    await instances.terminate({ name: 'a' });
    expect((await instances.get({ id: a.id ?? '' })).state).toBe('TERMINATING');
    await expect(instances.start({ name: 'a' })).rejects.toMatchObject({ code: 9 });
    await clock.advance(2000);
    await expect(instances.get({ name: 'a' })).rejects.toMatchObject({ code: 5, message: 'instance a does not exist' });
    await expect(instances.terminate({ name: 'a' })).resolves.toEqual({});
  });

  it('are made once a token, and refused for what is wrong', async () => {
    const { instances } = await startCloud();
    const a = await instances.create({ name: 'a', clientToken: 't' });
    expect((await instances.create({ name: 'other', clientToken: 't' })).id).toBe(a.id);
    await expect(instances.create({ name: 'a' })).rejects.toMatchObject({ code: 6 });
    await expect(instances.create({ name: 'B' })).rejects.toMatchObject({ code: 3, message: 'name: "B" is no host name' });
    await expect(instances.create({ name: 'b', zone: 'mars' })).rejects.toMatchObject({ code: 3 });
    await expect(instances.create({ name: 'b', type: 'big' })).rejects.toMatchObject({ code: 3 });
    await expect(instances.create({ name: 'b', privateIp: '10.241.0.1' })).rejects.toMatchObject({ code: 6 });
  });
});

describe('addresses of instances', () => {
  const config = { instanceIpv6Range: 'fd00:10:241::/112' };

  it('are of both families where there is a range of each, and not given twice', async () => {
    const { instances } = await startCloud({ config });
    expect(await instances.create({ name: 'a' })).toMatchObject({ privateIp: '10.241.0.1', privateIpv6: 'fd00:10:241::1' });
    expect(await instances.create({ name: 'b', privateIpv6: 'fd00:10:241:0::2' })).toMatchObject({ privateIp: '10.241.0.2', privateIpv6: 'fd00:10:241::2' });
    expect(await instances.create({ name: 'c' })).toMatchObject({ privateIpv6: 'fd00:10:241::3' });
    await expect(instances.create({ name: 'd', privateIpv6: 'fd00:10:241::3' })).rejects.toMatchObject({ code: 6 });
    await expect(instances.create({ name: 'd', privateIpv6: '10.0.0.1' })).rejects.toMatchObject({ code: 3, message: 'private_ipv6: "10.0.0.1" is no IPv6 address' });
  });

  it('are those they were made with, whatever the cloud has now', async () => {
    const state = memoryState();
    const before = await startCloud({ state });
    expect((await before.instances.create({ name: 'old' })).privateIpv6 ?? '').toBe('');
    // As builds wrote it that knew of one address.
    state.text = (state.text ?? '').replaceAll('"privateIpv6":"",', '');
    expect(state.text).not.toContain('privateIpv6');
    const { instances } = await startCloud({ state, config });
    const old = await instances.get({ name: 'old' });
    expect([old.privateIp, old.privateIpv6 ?? '']).toEqual(['10.241.0.1', '']);
    expect(await instances.create({ name: 'new' })).toMatchObject({ privateIp: '10.241.0.2', privateIpv6: 'fd00:10:241::1' });
  });
});

describe('scaling groups', () => {
  it('are kept at their size', async () => {
    const { groups, instances, clock } = await startCloud();
    const group = await groups.put({ name: 'workers', min: 1, max: 4, desired: 3, instanceType: 'o1.medium', labels: { pool: 'w' } });
    expect(group.instanceIds).toHaveLength(3);
    const zones = (await instances.list({ scalingGroup: 'workers' })).instances?.map(({ zone }) => zone);
    expect(zones?.sort()).toEqual(['orrery-1a', 'orrery-1b', 'orrery-1c']);
    await instances.terminate({ id: group.instanceIds?.[0] ?? '' });
    const healed = await groups.get({ name: 'workers' });
    expect(healed.instanceIds).toHaveLength(3);
    expect(healed.instanceIds).not.toContain(group.instanceIds?.[0]);
    const smaller = await groups.removeInstances({ name: 'workers', instanceIds: healed.instanceIds?.slice(0, 2) ?? [] });
    expect(smaller).toMatchObject({ desired: 1, instanceIds: healed.instanceIds?.slice(2) });
    await expect(groups.removeInstances({ name: 'workers', instanceIds: smaller.instanceIds ?? [] })).rejects.toMatchObject({ code: 9 });
    await expect(groups.setDesired({ name: 'workers', desired: 5 })).rejects.toMatchObject({ code: 11, message: 'desired: 5 is not between 1 and 4' });
    expect((await groups.setDesired({ name: 'workers', desired: 4 })).instanceIds).toHaveLength(4);
    await groups.delete({ name: 'workers' });
    await clock.advance(3000);
    expect((await instances.list({})).instances).toEqual([]);
  });

  it('tell what keeps them small', async () => {
    const { groups, operations } = await startCloud({ config: { quotas: ['instances=2'] } });
    expect(await groups.put({ name: 'g', max: 5, desired: 4 })).toMatchObject({ desired: 4, problem: 'quota instances exceeded: 2 of 2 used, 1 more asked for' });
    await operations.setQuota({ resource: 'instances', limit: 10 });
    const grown = await groups.setDesired({ name: 'g', desired: 4 });
    expect([grown.instanceIds?.length, grown.problem]).toEqual([4, '']);
  });
});

describe('routes', () => {
  const route = { clusterName: 'k', destinationCidr: '10.244.1.0/24', targetNode: 'n1', nextHops: ['10.240.0.11'] };
  it('lead each range to one node, and nowhere when its instance is gone', async () => {
    const { routes, instances } = await startCloud();
    await instances.create({ name: 'n1' });
    const made = await routes.create(route);
    expect(await routes.create(route)).toEqual(made);
    await expect(routes.create({ ...route, targetNode: 'n2' })).rejects.toMatchObject({ code: 6, message: `range 10.244.1.0/24 is routed to n1 already, by route ${made.name ?? ''}` });
    await routes.create({ ...route, clusterName: 'other', targetNode: 'n2' });
    await instances.terminate({ name: 'n1' });
    expect((await routes.list({ clusterName: 'k' })).routes).toEqual([{ ...made, blackhole: true }]);
    await routes.delete({ name: made.name ?? '' });
    await routes.create({ ...route, targetNode: 'n2' });
    expect((await routes.list({})).routes).toHaveLength(2);
  });
  it.each([
    [{ ...route, destinationCidr: 'x' }, 'destination_cidr: "x" is no CIDR'],
    [{ ...route, targetNode: '' }, 'target_node is required'],
    [{ ...route, nextHops: ['fd00::1'] }, 'next_hops: none of [fd00::1] can take IPv4'],
  ])('refuse %j', async (wrong, message) => expect((await startCloud()).routes.create(wrong)).rejects.toMatchObject({ code: 3, message }));
});

describe('disks', () => {
  it('are made once a name, attached to one node at a time, and grow', async () => {
    const { disks, instances } = await startCloud({ config: { disksPerNode: 2 } });
    const d = await disks.create({ name: 'pvc-1', sizeBytes: 1.5 * gib });
    const diskId = d.id ?? '';
    expect(d).toMatchObject({ sizeBytes: 2 * gib, zone: 'orrery-1a', type: 'standard', attachedTo: '' });
    expect((await disks.create({ name: 'pvc-1', sizeBytes: 2 * gib })).id).toBe(diskId);
    await expect(disks.create({ name: 'pvc-1', sizeBytes: 9 * gib })).rejects.toMatchObject({ code: 6, message: `disk pvc-1 exists with another size_bytes: ${2 * gib}` });
    expect(await disks.attach({ diskId, node: 'n1' })).toMatchObject({ attachedTo: 'n1', device: '/dev/vdb' });
    expect(await disks.attach({ diskId, node: 'n1' })).toMatchObject({ device: '/dev/vdb' });
    await expect(disks.attach({ diskId, node: 'n2' })).rejects.toMatchObject({ code: 9 });
    await expect(disks.delete({ id: diskId })).rejects.toMatchObject({ code: 9, message: `disk ${diskId} is attached to n1` });
    const [second, third] = [await disks.create({ name: '2' }), await disks.create({ name: '3' })];
    expect((await disks.attach({ diskId: second.id ?? '', node: 'n1' })).device).toBe('/dev/vdc');
    await expect(disks.attach({ diskId: third.id ?? '', node: 'n1' })).rejects.toMatchObject({ code: 8 });
    await instances.create({ name: 'far', zone: 'orrery-1b' });
    await expect(disks.attach({ diskId: third.id ?? '', node: 'far' })).rejects.toMatchObject({ code: 9 });
    expect((await disks.list({ attachedTo: 'n1' })).disks).toHaveLength(2);
    expect(await disks.expand({ diskId, sizeBytes: 3 * gib })).toMatchObject({ sizeBytes: 3 * gib });
    await expect(disks.expand({ diskId, sizeBytes: gib })).rejects.toMatchObject({ code: 11 });
    await disks.detach({ diskId, node: 'n2' });
    expect((await disks.get({ id: diskId })).attachedTo).toBe('n1');
    await disks.detach({ diskId, node: 'n1' });
    await disks.delete({ name: 'pvc-1' });
    await expect(disks.get({ id: diskId })).rejects.toMatchObject({ code: 5 });
  });

  it('are let go when their instance is terminated', async () => {
    const { disks, instances } = await startCloud();
    await instances.create({ name: 'vm', zone: 'orrery-1a' });
    const { id: diskId = '' } = await disks.create({ name: 'd' });
    await disks.attach({ diskId, node: 'vm' });
    await instances.terminate({ name: 'vm' });
    expect(await disks.get({ id: diskId })).toMatchObject({ attachedTo: '', device: '' });
  });

  it('and snapshots have content, and begin as copies', async () => {
    const made = new Map<string, string>();
    const contents: DiskContents = { path: (id) => `/disks/${id}`, create: async (id, from) => void made.set(id, from), remove: async (id) => void made.delete(id) };
    const { disks } = await startCloud({ contents });
    const source = await disks.create({ name: 'a', sizeBytes: 5 * gib });
    expect(source.path).toBe(`/disks/${source.id ?? ''}`);
    const snapshot = await disks.createSnapshot({ name: 's', diskId: source.id ?? '' });
    expect(snapshot).toMatchObject({ sizeBytes: 5 * gib, ready: true });
    expect(await disks.createSnapshot({ name: 's', diskId: source.id ?? '' })).toEqual(snapshot);
    await disks.delete({ id: source.id ?? '' });
    const [one, same] = await Promise.all([disks.create({ name: 'b', snapshotId: snapshot.id ?? '' }), disks.create({ name: 'b', snapshotId: snapshot.id ?? '' })]);
    expect(one).toMatchObject({ sizeBytes: 5 * gib, id: same.id ?? '' });
    await expect(disks.create({ name: 'c', snapshotId: snapshot.id ?? '', sizeBytes: gib })).rejects.toMatchObject({ code: 11 });
    expect([...made]).toEqual([[snapshot.id, source.id], [one.id, snapshot.id]]);
    await disks.deleteSnapshot({ id: snapshot.id ?? '' });
    expect([...made.keys()]).toEqual([one.id]);
  });
});

describe('trouble on purpose', () => {
  it('comes as often as planted, by the narrowest pattern', async () => {
    const { disks, instances, operations, clock } = await startCloud();
    await operations.setFault({ method: 'Disks/*', code: 14, message: 'away' });
    await operations.setFault({ method: 'Disks/Create', code: 8, count: 2 });
    const create = () => disks.create({ name: 'd' });
    await expect(create()).rejects.toMatchObject({ code: 8, message: 'planted failure of Disks/Create' });
    await expect(create()).rejects.toMatchObject({ code: 8 });
    await expect(create()).rejects.toMatchObject({ code: 14, message: 'away' });
    expect((await operations.clearFaults({})).faults).toHaveLength(1);
    await expect(create()).resolves.toBeDefined();
    await operations.setFault({ method: '*', latencyMs: 5000 });
    let done = false;
    const slow = instances.list({}).then(() => (done = true));
    await clock.advance(4999);
    expect(done).toBe(false);
    await clock.advance(1);
    await slow;
    await expect(operations.setFault({ method: 'x', code: 1 })).rejects.toMatchObject({ code: 3 });
    await expect(operations.setFault({ method: '*' })).rejects.toMatchObject({ code: 3, message: 'code or latency_ms is required' });
  });

  it('quotas tell what is used', async () => {
    const { disks, operations } = await startCloud({ config: { quotas: ['disk-gib=10'] } });
    await disks.create({ name: 'd', sizeBytes: 8 * gib });
    await expect(disks.create({ name: 'e', sizeBytes: 3 * gib })).rejects.toMatchObject({ code: 8, message: 'quota disk-gib exceeded: 8 of 10 used, 3 more asked for' });
    const quotas = (await operations.listQuotas({})).quotas ?? [];
    expect(quotas.find(({ resource }) => resource === 'disk-gib')).toEqual({ resource: 'disk-gib', limit: 10, used: 8 });
    await expect(operations.setQuota({ resource: 'moons', limit: 1 })).rejects.toMatchObject({ code: 3 });
    await expect(startCloud({ config: { quotas: ['moons=1'] } })).rejects.toThrow('--quotas: moons=1 is not RESOURCE=NUMBER');
  });
});

describe('state', () => {
  it('is there again after the process was killed, also in the middle of a line', async () => {
    const state = memoryState();
    const first = await startCloud({ state });
    await first.instances.create({ name: 'vm' });
    await first.routes.create({ clusterName: 'k', destinationCidr: '10.244.1.0/24', targetNode: 'vm', nextHops: ['10.241.0.1'] });
    const { id: diskId = '' } = await first.disks.create({ name: 'd' });
    await first.disks.attach({ diskId, node: 'vm' });
    await first.disks.createSnapshot({ name: 's', diskId });
    await first.groups.put({ name: 'g', max: 1 });
    await first.operations.setFault({ method: 'Disks/Delete', code: 14 });
    state.text += '{"t":"disks","k":"d-torn","v":{"na';
    const again = await startCloud({ state, clock: first.clock });
    const read = async (cloud: typeof first) => [await cloud.instances.list({}), await cloud.routes.list({}), await cloud.disks.list({}), await cloud.disks.listSnapshots({}), await cloud.groups.list({}), await cloud.operations.listFaults({})];
    expect(await read(again)).toEqual(await read(first));
    // Half a line is not continued by the next.
    await again.disks.create({ name: 'after' });
    expect((await (await startCloud({ state })).disks.list({})).disks).toHaveLength(2);
  });

  it('is written anew when most of it is history, and after it could not be written', async () => {
    const state = memoryState();
    const ledger = createLedger(state);
    const table = ledger.table<number>('n');
    for (let i = 0; i < 5000; i++) {
      table.put('one', i);
      if (i % 100 === 0) await ledger.flush();
    }
    await ledger.flush();
    expect(state.text?.split('\n').length).toBeLessThan(3000);
    state.failing = true;
    table.put('two', 2);
    await expect(ledger.flush()).rejects.toMatchObject({ code: 14, message: 'the cloud cannot keep its state: disk full' });
    state.failing = false;
    table.put('three', 3);
    await ledger.flush();
    const again = createLedger(state);
    await again.load();
    expect([...again.table('n').values()]).toEqual([4999, 2, 3]);
  });

  it('that nobody understands is refused', async () => {
    await expect(startCloud({ state: memoryState('{"version":7}') })).rejects.toThrow('version 7');
    await expect(startCloud({ state: memoryState('{"orreryCloud":2}\nnonsense\n') })).rejects.toThrow('damaged in line 2');
  });
});
