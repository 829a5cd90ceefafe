/**
 * The contract of every back end: who reaches which endpoints, seen as whom, from pods, nodes and outside, by every kind of
 * address, under every policy. A world has two nodes, `a` and `b`, with two pods each that serve 8080 of TCP and UDP and answer
 * with their name and the client's address, and somebody outside.
 */
import type { EndpointSlice, Service } from '@orrery/api/types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

export type PodName = 'a1' | 'a2' | 'b1' | 'b2';
export type Place = PodName | 'a' | 'b' | 'outside';

export interface ServiceWithSlices {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
}

export interface Ask {
  readonly ip: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
  readonly timeoutMs: number;
  readonly fromPort?: number;
}

export interface World {
  /** Of pods both families, IPv4 first; of nodes and outside IPv4. */
  ips(of: Place): readonly string[];
  /** Addresses that traffic from a node may come from. */
  nodeIps(node: 'a' | 'b'): readonly string[];
  /** Programs both nodes; what is not named any more goes. */
  apply(services: readonly ServiceWithSlices[]): Promise<void>;
  /** Sends packets of outside for an address to one node, as a router or a balancer does. */
  routeOutside(ip: string, node: 'a' | 'b'): Promise<void>;
  /** `NAME CLIENT`; rejects with Error, of message TIMEOUT or ECONNREFUSED. */
  ask(from: Place, to: Ask): Promise<string>;
  close(): Promise<void>;
}

export interface WorldLimits {
  /** The world carries IPv6 of pods. */
  readonly ipv6: boolean;
  /** Clients of node ports are seen as themselves under the Local policy; a proxy in user space hides them always. */
  readonly keepsClients: boolean;
  /** An external policy Local binds clients inside the cluster to the endpoints of the node, where it has some, as virtual servers do. */
  readonly bindsInside?: boolean;
  /** Node ports answer on 127.0.0.1 of their node. */
  readonly loopback?: boolean;
}

type Conditions = { ready?: boolean; serving?: boolean; terminating?: boolean };
type Endpoints = Partial<Record<PodName, Conditions>>;
/** Which pods answer and who they see; or how it fails. */
type Expected = { readonly from: readonly PodName[]; readonly seen?: 'client' | 'node' } | 'refused' | 'dropped';

interface Case {
  readonly name: string;
  readonly spec: Service['spec'];
  readonly status?: Service['status'];
  readonly endpoints: Endpoints;
  readonly asks: readonly (readonly [from: Place, to: string, expected: Expected])[];
}

const clusterIp = '10.96.0.10';
const clusterIp6 = 'fd00:96::10';
const externalIp = '192.0.2.1';
const balancerIp = '192.0.2.9';
const nodePort = 30_080;
const everywhere: Endpoints = { a1: {}, b1: {} };
const dropMs = 700;
const answerMs = 60_000;
/** Enough that each of two backends is drawn, all but once in 500 000 runs. */
const draws = 20;

const balanced: Service['status'] = { loadBalancer: { ingress: [{ ip: balancerIp }] } };

const cases: readonly Case[] = [
  {
    name: 'ClusterIP', spec: {}, endpoints: everywhere,
    asks: [['a2', 'cluster', { from: ['a1', 'b1'], seen: 'client' }], ['a', 'cluster', { from: ['a1', 'b1'], seen: 'node' }]],
  },
  { name: 'ClusterIP without endpoints', spec: {}, endpoints: {}, asks: [['a2', 'cluster', 'refused'], ['a', 'cluster', 'refused']] },
  { name: 'ClusterIP whose endpoints are not ready', spec: {}, endpoints: { a1: { ready: false, serving: false } }, asks: [['b2', 'cluster', 'refused']] },
  {
    name: 'ClusterIP whose endpoints all terminate, some still serving', spec: {},
    endpoints: { a1: { ready: false, serving: true, terminating: true }, b1: { ready: false, serving: false, terminating: true } },
    asks: [['a2', 'cluster', { from: ['a1'] }]],
  },
  { name: 'ClusterIP with a terminating endpoint beside a ready one', spec: {}, endpoints: { a1: { ready: false, serving: true, terminating: true }, b1: {} }, asks: [['a2', 'cluster', { from: ['b1'] }]] },
  { name: 'a pod that reaches itself', spec: {}, endpoints: { a1: {} }, asks: [['a1', 'cluster', { from: ['a1'], seen: 'node' }]] },
  {
    name: 'internal policy Local', spec: { internalTrafficPolicy: 'Local' }, endpoints: everywhere,
    asks: [['a2', 'cluster', { from: ['a1'], seen: 'client' }], ['b2', 'cluster', { from: ['b1'] }], ['a', 'cluster', { from: ['a1'] }]],
  },
  { name: 'internal policy Local without an endpoint here', spec: { internalTrafficPolicy: 'Local' }, endpoints: { b1: {} }, asks: [['a2', 'cluster', 'dropped'], ['b2', 'cluster', { from: ['b1'] }]] },
  {
    name: 'NodePort', spec: { type: 'NodePort', ports: [{ port: 80, nodePort }] }, endpoints: everywhere,
    asks: [
      ['outside', 'node-port-a', { from: ['a1', 'b1'], seen: 'node' }],
      ['b2', 'node-port-a', { from: ['a1', 'b1'], seen: 'node' }],
      ['a', 'node-port-a', { from: ['a1', 'b1'], seen: 'node' }],
      ['a', 'loopback', { from: ['a1', 'b1'], seen: 'node' }],
    ],
  },
  { name: 'NodePort without endpoints', spec: { type: 'NodePort', ports: [{ port: 80, nodePort }] }, endpoints: {}, asks: [['outside', 'node-port-a', 'refused']] },
  {
    name: 'NodePort under external policy Local', spec: { type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ port: 80, nodePort }] }, endpoints: everywhere,
    asks: [
      ['outside', 'node-port-a', { from: ['a1'], seen: 'client' }],
      ['outside', 'node-port-b', { from: ['b1'], seen: 'client' }],
      ['a', 'node-port-a', { from: ['a1', 'b1'], seen: 'node' }],
      ['a2', 'cluster', { from: ['a1', 'b1'], seen: 'client' }],
    ],
  },
  {
    name: 'NodePort under external policy Local without an endpoint here', spec: { type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ port: 80, nodePort }] }, endpoints: { b1: {} },
    asks: [['outside', 'node-port-a', 'dropped'], ['outside', 'node-port-b', { from: ['b1'], seen: 'client' }], ['a', 'node-port-a', { from: ['b1'], seen: 'node' }]],
  },
  { name: 'external address', spec: { externalIPs: [externalIp] }, endpoints: everywhere, asks: [['outside', 'external', { from: ['a1', 'b1'], seen: 'node' }], ['a2', 'external', { from: ['a1', 'b1'], seen: 'node' }]] },
  {
    name: 'LoadBalancer under external policy Local, with the short cut for what is inside', spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }, status: balanced, endpoints: everywhere,
    asks: [['outside', 'balancer', { from: ['a1'], seen: 'client' }], ['a2', 'balancer', { from: ['a1', 'b1'], seen: 'client' }]],
  },
  {
    name: 'LoadBalancer for a range that outside is in', spec: { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/24'] }, status: balanced, endpoints: everywhere,
    asks: [['outside', 'balancer', { from: ['a1', 'b1'], seen: 'node' }], ['a2', 'balancer', 'dropped']],
  },
  { name: 'LoadBalancer for a range that outside is not in', spec: { type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.0/24'] }, status: balanced, endpoints: everywhere, asks: [['outside', 'balancer', 'dropped'], ['a2', 'cluster', { from: ['a1', 'b1'] }]] },
];

const protocols = ['TCP', 'UDP'] as const;

function build(world: World, { spec, status = {}, endpoints }: Pick<Case, 'spec' | 'status' | 'endpoints'>): ServiceWithSlices {
  const base = spec?.ports?.[0] ?? { port: 80 };
  const ports = protocols.map((protocol) => ({ ...base, name: protocol.toLowerCase(), protocol, targetPort: 8080 }));
  const service: Service = {
    metadata: { namespace: 'default', name: 'web' },
    spec: { type: 'ClusterIP', clusterIP: clusterIp, clusterIPs: [clusterIp, clusterIp6], ipFamilies: ['IPv4', 'IPv6'], ...spec, ports },
    status,
  };
  const slices = (['IPv4', 'IPv6'] as const).map((addressType, family): EndpointSlice => ({
    metadata: { namespace: 'default', name: `web-${addressType}`, labels: { 'kubernetes.io/service-name': 'web' } },
    addressType,
    ports: protocols.map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: 8080 })),
    endpoints: Object.entries(endpoints).map(([pod, conditions]) => ({ addresses: [world.ips(pod as PodName)[family] ?? ''], nodeName: `node-${pod[0]}`, conditions: { ready: true, ...conditions } })),
  }));
  return { service, slices };
}

function target(world: World, to: string): { ip: string; port: number } {
  const fixed: Record<string, string> = { cluster: clusterIp, external: externalIp, balancer: balancerIp };
  const ip = fixed[to];
  if (to === 'loopback') return { ip: '127.0.0.1', port: nodePort };
  return ip ? { ip, port: 80 } : { ip: world.ips(to.endsWith('a') ? 'a' : 'b')[0] ?? '', port: nodePort };
}

interface Check extends Omit<Ask, 'timeoutMs'> {
  readonly from: Place;
  /** The node whose policy decides, where an external policy is Local. */
  readonly bound: 'a' | 'b' | undefined;
}

async function check(world: World, ask: Check, expected: Expected, limits: WorldLimits): Promise<void> {
  const { from, bound, ...to } = ask;
  if (expected === 'refused') return void (await expect(world.ask(from, { ...to, timeoutMs: answerMs })).rejects.toThrow('ECONNREFUSED'));
  if (expected === 'dropped') return void (await expect(world.ask(from, { ...to, timeoutMs: dropMs })).rejects.toThrow('TIMEOUT'));
  const answers = await Promise.all(Array.from({ length: draws }, () => world.ask(from, { ...to, timeoutMs: answerMs })));
  const names = new Set(answers.map((answer) => answer.split(' ')[0]));
  const wanted = limits.bindsInside && bound ? expected.from.filter((name) => name.startsWith(bound)) : [];
  expect([...names].sort()).toEqual([...(wanted.length ? wanted : expected.from)].sort());
  const clients = [...new Set(answers.map((answer) => answer.split(' ')[1] ?? ''))];
  const nodes = [...world.nodeIps('a'), ...world.nodeIps('b')];
  if (expected.seen === 'node') for (const client of clients) expect(nodes).toContain(client);
  if (expected.seen === 'client' && limits.keepsClients) expect(clients).toEqual([world.ips(from)[0]]);
}

export function serviceMatrix(title: string, { create, limits, skip }: { create: () => Promise<World>; limits: WorldLimits; skip?: string | undefined }): void {
  describe.skipIf(skip)(`services: ${title}${skip ? ` (${skip})` : ''}`, { timeout: 300_000 }, () => {
    let world: World;
    beforeAll(async () => {
      world = await create();
      await world.routeOutside(externalIp, 'a');
      await world.routeOutside(balancerIp, 'a');
    }, 300_000);
    afterAll(() => world.close());

    it.each(cases.map((row) => [row.name, row] as const))('%s', async (_name, row) => {
      await world.apply([build(world, row)]);
      for (const [from, to, expected] of row.asks) {
        if (to === 'loopback' && !limits.loopback) continue;
        for (const protocol of protocols) {
          // Nobody tells a sender of datagrams that they are refused, unless it is connected and the network says so.
          if (protocol === 'UDP' && typeof expected === 'string') continue;
          const bound = row.spec?.externalTrafficPolicy === 'Local' && to !== 'cluster' ? (to.endsWith('b') ? 'b' : 'a') : undefined;
          await check(world, { from, ...target(world, to), protocol, bound }, expected, limits);
        }
      }
    });

    it.skipIf(!limits.ipv6)('both families', async () => {
      await world.apply([build(world, { spec: {}, endpoints: everywhere })]);
      for (const protocol of protocols) {
        const answers = await Promise.all(Array.from({ length: draws }, () => world.ask('a2', { ip: clusterIp6, port: 80, protocol, timeoutMs: answerMs })));
        expect(new Set(answers.map((answer) => answer.split(' ')[0]))).toEqual(new Set(['a1', 'b1']));
        if (limits.keepsClients) for (const answer of answers) expect(answer.split(' ')[1]).toBe(world.ips('a2')[1]);
      }
    });

    it('session affinity keeps a client at its endpoint while that is there', async () => {
      const sticky = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } } } as const;
      await world.apply([build(world, { spec: sticky, endpoints: everywhere })]);
      const ask = (): Promise<string> => world.ask('a2', { ip: clusterIp, port: 80, protocol: 'TCP', timeoutMs: answerMs });
      const first = (await ask()).split(' ')[0] as PodName;
      for (let i = 0; i < draws; i++) expect((await ask()).split(' ')[0]).toBe(first);
      const other = first === 'a1' ? 'b1' : 'a1';
      await world.apply([build(world, { spec: sticky, endpoints: { [other]: {} } })]);
      expect((await ask()).split(' ')[0]).toBe(other);
    });

    it('a client of UDP goes to another endpoint when its own is gone', async () => {
      const ask = (): Promise<string> => world.ask('a2', { ip: clusterIp, port: 80, protocol: 'UDP', timeoutMs: answerMs, fromPort: 45_678 });
      await world.apply([build(world, { spec: {}, endpoints: { a1: {} } })]);
      expect(await ask()).toMatch(/^a1 /);
      await world.apply([build(world, { spec: {}, endpoints: { b1: {} } })]);
      expect(await ask()).toMatch(/^b1 /);
    });

    it('a service that is gone answers nobody', async () => {
      await world.apply([build(world, { spec: { type: 'NodePort', ports: [{ port: 80, nodePort }] }, endpoints: everywhere })]);
      await world.apply([]);
      await expect(world.ask('a2', { ip: clusterIp, port: 80, protocol: 'TCP', timeoutMs: dropMs })).rejects.toThrow(/TIMEOUT|EHOSTUNREACH|ECONNREFUSED/);
      await expect(world.ask('outside', { ip: world.ips('a')[0] ?? '', port: nodePort, protocol: 'TCP', timeoutMs: answerMs })).rejects.toThrow('ECONNREFUSED');
    });
  });
}
