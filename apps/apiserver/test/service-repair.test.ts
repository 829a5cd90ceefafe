import { Events, IPAddresses, Services } from '@orrery/api';
import type { IPAddress, Service } from '@orrery/api/types';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type World, findingsOf, verdictOn } from '../src/service-repair/findings.ts';
import { PortRepair } from '../src/service-repair/ports.ts';
import { parseRanges } from '../src/registry/services/ip-range.ts';
import { addressFor } from '../src/registry/services/ip-address.ts';
import { plugins } from '../src/plugins.ts';
import { type TestServer, eventually, startTestServer } from './test-server.ts';

const service = (name: string, spec: object = {}): Service => ({ metadata: { name, namespace: 'default' }, spec: { ports: [{ port: 80 }], ...spec } }) as unknown as Service;
const having = (name: string, ...clusterIPs: string[]): Service => service(name, { clusterIP: clusterIPs[0], clusterIPs });

describe('what is wrong', () => {
  const world = (services: Service[], addresses: IPAddress[]): World => ({
    address: (ip) => addresses.find(({ metadata }) => metadata?.name === ip),
    service: ({ name }) => services.find(({ metadata }) => metadata?.name === name),
    ranges: parseRanges('10.96.0.0/16,fd00::/112'),
  });
  const elsewhere = (ip: string, parentRef: object): IPAddress => ({ ...addressFor(ip, service('x')), spec: { parentRef } as never });
  const a = having('a', '10.96.0.5');

  it.each([
    ['nothing', a, [a], [addressFor('10.96.0.5', a)], []],
    ['headless', having('h', 'None'), [], [], []],
    ['no IPAddress', a, [a], [], ['create ClusterIPNotAllocated']],
    ['an address in another spelling', having('b', 'FD00:0::5'), [], [addressFor('fd00::5', service('b'))], []],
    ['out of range', having('b', '10.97.0.1'), [], [], ['- ClusterIPOutOfRange']],
    ['a parent that is no Service', a, [a], [elsewhere('10.96.0.5', { resource: 'pods', name: 'a', namespace: 'default' })], ['replace ClusterIPNotAllocated']],
    ['a parent that is gone', a, [a], [addressFor('10.96.0.5', service('gone'))], ['replace ClusterIPNotAllocated']],
    ['a parent that has it too', a, [a, having('b', '10.96.0.5')], [addressFor('10.96.0.5', service('b'))], ['- ClusterIPAlreadyAllocated']],
    ['no labels', a, [a], [{ ...addressFor('10.96.0.5', a), metadata: { name: '10.96.0.5' } }], ['replace -']],
  ])('%s', (_what, one, services, addresses, expected) => {
    expect(findingsOf(one, world(services, addresses)).map(({ mend, event }) => `${mend ?? '-'} ${event?.reason ?? '-'}`)).toEqual(expected);
  });

  const at = (address: IPAddress): IPAddress => ({ ...address, metadata: { ...address.metadata, creationTimestamp: '1970-01-01T00:01:00Z' } });
  it.each([
    ['in use', addressFor('10.96.0.5', a), 1e9, 'keep'],
    ['made by somebody else', { ...addressFor('10.96.0.6', a), metadata: { name: '10.96.0.6' } }, 1e9, 'keep'],
    ['of a Service that does not have it', addressFor('10.96.0.6', a), 1e9, 'IPAddress: 10.96.0.6 for Service default/a has a wrong reference; cleaning up'],
    ['of no Service, just made', addressFor('10.96.0.6', service('gone')), 100_000, 'again in 20001'],
    ['of no Service, long ago', addressFor('10.96.0.6', service('gone')), 120_001, 'IPAddress: 10.96.0.6 for Service default/gone appears to have leaked: cleaning up'],
    ['of something else', elsewhere('10.96.0.6', { group: 'apps', resource: 'x' }), 1e9, 'IPAddress 10.96.0.6 appears to have been modified, not referencing a Service'],
  ])('an address %s', (_what, address, nowMs, expected) => {
    const verdict = verdictOn(at(address), world([a], []), nowMs);
    expect(verdict.keep ? (verdict.againMs === undefined ? 'keep' : `again in ${verdict.againMs}`) : verdict.message).toContain(expected);
  });
});

describe('with a server', () => {
  let t: TestServer;
  beforeEach(async () => {
    t = await startTestServer({ serviceClusterIpRange: '10.96.0.0/24', serviceNodePortRange: '30000-30009', disableAdmissionPlugins: ['ServiceAccount'] }, { plugins });
  });
  afterEach(() => t.stop());

  const told = async (reason: string): Promise<string[]> => (await t.api.list(Events)).items.filter((event) => event.reason === reason).map(({ message = '' }) => message);

  it('makes an IPAddress again that somebody has deleted', async () => {
    const made = await t.api.create(Services, service('a'));
    const ip = made.spec?.clusterIP ?? '';
    const before = await t.api.get(IPAddresses, { name: ip });
    await t.api.delete(IPAddresses, { name: ip });
    await eventually(async () => (await told('ClusterIPNotAllocated')).length > 0, 'the event');
    const after = await t.api.get(IPAddresses, { name: ip });
    expect(after.metadata?.uid).not.toBe(before.metadata?.uid);
    expect([after.spec, after.metadata?.labels]).toEqual([before.spec, before.metadata?.labels]);
    expect(await told('ClusterIPNotAllocated')).toEqual([`Cluster IP [IPv4]: ${ip} is not allocated; repairing`]);
    await t.api.delete(Services, { namespace: 'default', name: 'a' });
    expect((await t.api.create(Services, service('b', { clusterIP: ip }))).spec?.clusterIP).toBe(ip);
  });

  it('frees an address that says it is a Service’s which has another', async () => {
    await t.api.create(Services, service('a', { clusterIP: '10.96.0.50' }));
    await t.api.create(IPAddresses, addressFor('10.96.0.51', service('a')));
    await eventually(async () => (await t.api.list(IPAddresses)).items.every(({ metadata }) => metadata?.name !== '10.96.0.51'), 'the end of it');
    await eventually(async () => (await told('IPAddressWrongReference')).length === 1, 'the event');
  });

  it('says nothing of Services that come and go', async () => {
    for (let i = 0; i < 20; i++) {
      await t.api.create(Services, service(`s${i}`, { type: i % 2 ? 'NodePort' : 'ClusterIP' }));
      await t.api.delete(Services, { namespace: 'default', name: `s${i}` });
    }
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    for (const reason of ['ClusterIPNotAllocated', 'ClusterIPOutOfRange', 'IPAddressNotAllocated', 'PortNotAllocated']) expect([reason, await told(reason)]).toEqual([reason, []]);
  });

  it('records node ports that are in use, and frees after three rounds those that are not', async () => {
    const made = await t.api.create(Services, service('a', { type: 'NodePort' }));
    const port = made.spec?.ports?.[0]?.nodePort ?? 0;
    const { store, root } = t.server.core.registry;
    const key = (number: number): string => `${root}/ranges/servicenodeports/${number}`;
    const leaked = port === 30_005 ? 30_006 : 30_005;
    await store.commit([{ key: key(port), delete: true }, { key: key(leaked), put: Buffer.from('{"service":"x/y"}') }]);
    const clock = new VirtualClock();
    const env = { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
    const repair = new PortRepair({ env, api: t.api, config: t.server.core.registry.config, storage: { store, root }, read: { get: () => undefined, list: () => [made] as never, onChange: () => () => undefined } });
    await repair.run();
    expect((await store.get(key(port))).value?.value.toString()).toBe('{"service":"default/a"}');
    await eventually(async () => (await told('PortNotAllocated')).length === 1, 'the event');
    expect(await told('PortNotAllocated')).toEqual([`Port ${port} is not allocated; repairing`]);
    await repair.run();
    await repair.run();
    expect((await store.get(key(leaked))).value).toBeDefined();
    await repair.run();
    expect((await store.get(key(leaked))).value).toBeUndefined();
    expect((await store.get(key(port))).value).toBeDefined();
  });
});
