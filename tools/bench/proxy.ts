/**
 * How long kube-proxy takes to program a node: everything at once, and one change, for each back end. Those of the kernel work in a
 * network namespace of their own; what this machine cannot do is said. `npm run bench -- proxy --help`.
 */
import { parseArgs } from 'node:util';
import type { EndpointSlice, Service } from '@orrery/api/types';
import { createIptables, createNft, createShell, openForwarder, sha256, whyNot } from '@orrery/linux';
import { type LabNamespace, createLab, whyNoLab } from '@orrery/linux/lab';
import { createMetrics, seededRandom, silentLogger, VirtualClock } from '@orrery/runtime';
import { createFabric } from '@orrery/vnet';
import { createIptablesBackEnd } from '../../apps/kube-proxy/src/iptables/back-end.ts';
import type { BackEnd, NodeSettings } from '../../apps/kube-proxy/src/linux/back-end.ts';
import { createProxyMetrics } from '../../apps/kube-proxy/src/metrics.ts';
import { endpointsOf, route } from '../../apps/kube-proxy/src/model/endpoints.ts';
import { servicePorts } from '../../apps/kube-proxy/src/model/service-port.ts';
import { createNftablesBackEnd } from '../../apps/kube-proxy/src/nftables/back-end.ts';
import { createUserspaceBackEnd } from '../../apps/kube-proxy/src/userspace/back-end.ts';
import { createSwitchProgrammer } from '../../apps/kube-proxy/src/vnet/programmer.ts';
import { type Figure, median, report } from './report.ts';

const help = `npm run bench -- proxy [options]

  --services N    with --endpoints each (10000)
  --endpoints N   of each service (3)
  --nodes N       switches that one process programs, of the vnet back end (1)
  --changes N     single changes that are timed, whose median counts (20)
  --only NAME,... vnet, nftables, iptables, userspace
  --json FILE     writes the figures there too

Userspace opens two ports of the machine a service, so it is measured at a tenth of the services.
iptables is measured beside the least that any change of its table can take: with every rule that comes, the kernel checks all that lead
from the chains of the nat table, once for each way in.
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    services: { type: 'string', default: '10000' },
    endpoints: { type: 'string', default: '3' },
    nodes: { type: 'string', default: '1' },
    changes: { type: 'string', default: '20' },
    only: { type: 'string', default: 'vnet,nftables,iptables,userspace' },
    json: { type: 'string' },
  },
});

const endpointCount = Number(values.endpoints);
const changes = Number(values.changes);
const visibleMs = 50;
const node = { name: 'node-1' };
const settings: NodeSettings = { families: [4], local: { 4: { cidr: '10.0.0.0/9' } }, nodePortAddresses: [], masqueradeAll: false, masqueradeBit: 14 };

interface Pair {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
}

const address = (prefix: string, i: number): string => `${prefix}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;

/** The nth service; another `turn` has other endpoints. */
function pair(i: number, turn = 0): Pair {
  const name = `s${i}`;
  const endpoints = Array.from({ length: endpointCount }, (_, e) => ({ addresses: [address('10', 65_536 + (i * endpointCount + e + turn * 7) % 4_000_000)], nodeName: `node-${e}`, conditions: { ready: true } }));
  return {
    service: { metadata: { namespace: 'bench', name }, spec: { type: 'ClusterIP', clusterIP: address('172', 1_048_576 + i), clusterIPs: [address('172', 1_048_576 + i)], ports: [{ port: 80, protocol: 'TCP' }] } },
    slices: [{ metadata: { namespace: 'bench', name }, addressType: 'IPv4', ports: [{ port: 8080, protocol: 'TCP' }], endpoints }],
  };
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Programs all, then one change after the other. */
async function measure(name: string, count: number, apply: (changed: ReadonlyMap<string, Pair | undefined>, full: boolean) => Promise<void>): Promise<Figure[]> {
  const all = new Map(Array.from({ length: count }, (_, i) => [`bench/s${i}`, pair(i)] as const));
  const full = await timed(() => apply(all, true));
  const one = async (work: (i: number) => ReadonlyMap<string, Pair | undefined>): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < changes; i++) times.push(await timed(() => apply(work(i), false)));
    return median(times);
  };
  const budget = { atMost: visibleMs };
  return [
    { name: `${name}: all of ${count} services`, value: full, unit: 'ms' },
    { name: `${name}: endpoints of one service change`, value: await one((i) => new Map([[`bench/s${i}`, pair(i, 1)]])), unit: 'ms', budget },
    { name: `${name}: a service comes`, value: await one((i) => new Map([[`bench/s${count + i}`, pair(count + i)]])), unit: 'ms', budget },
    { name: `${name}: a service goes`, value: await one((i) => new Map([[`bench/s${count + i}`, undefined]])), unit: 'ms', budget },
  ];
}

async function vnet(count: number): Promise<Figure[]> {
  const env = { clock: new VirtualClock(), random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
  const fabric = createFabric(env);
  const pairs = new Map<string, Pair>();
  let dirty = new Set<string>();
  const tracker = {
    take: () => [dirty, (dirty = new Set())][0] as Set<string>,
    putBack: () => undefined,
    get: (key: string) => pairs.get(key),
    keys: () => pairs.keys(),
    observeProgrammed: () => undefined,
  };
  const programmer = createSwitchProgrammer({ tracker, metrics: createProxyMetrics(env, { failures: { name: 'f', help: '' } }), zoneOf: () => undefined });
  for (let i = 0; i < Number(values.nodes); i++) programmer.add({ nodeName: `node-${i}`, control: fabric.addSwitch({ node: `node-${i}`, nodeIp: address('11', i) }) });
  return measure(`vnet (${values.nodes} nodes)`, count, (changed) => {
    for (const [key, found] of changed) {
      if (found) pairs.set(key, found);
      else pairs.delete(key);
      dirty.add(key);
    }
    return programmer.sync();
  });
}

async function kernel(name: string, count: number, make: (namespace: LabNamespace) => BackEnd, least?: (namespace: LabNamespace) => Promise<Figure>): Promise<Figure[]> {
  const lab = await createLab();
  try {
    const namespace = await lab.namespace();
    const backEnd = make(namespace);
    const figures = await measure(name, count, (changed, full) => {
      const services = [...changed].map(([key, found]): [string, ReturnType<typeof route>[]] => [key, found ? servicePorts(found.service).map((port) => route(port, endpointsOf(port, found.slices), node)) : []]);
      return backEnd.sync({ full, services: new Map(services) });
    });
    return least ? [...figures, await least(namespace)] : figures;
  } finally {
    await lab.close();
  }
}

/** One rule that no packet reaches, in a table that holds all the others. */
async function oneRule({ shell }: LabNamespace): Promise<Figure> {
  const iptables = createIptables(shell, 4);
  const times: number[] = [];
  for (let i = 0; i < changes; i++) times.push(await timed(() => iptables.restore('*nat\n-A KUBE-POSTROUTING -j RETURN\nCOMMIT\n')));
  return { name: 'iptables: one rule of any kind, the least the kernel takes', value: median(times), unit: 'ms' };
}

async function main(): Promise<void> {
  if (values.help) return void process.stdout.write(help);
  const count = Number(values.services);
  const shell = createShell();
  const noLab = await whyNoLab();
  const base = { hash: sha256, node, settings };
  const iptables = ({ shell: own }: LabNamespace): { 4: ReturnType<typeof createIptables> } => ({ 4: createIptables(own, 4) });
  const benches: Record<string, { why: string | undefined; run: () => Promise<Figure[]> }> = {
    vnet: { why: undefined, run: () => vnet(count) },
    nftables: { why: noLab ?? (await whyNot(shell, 'nft', ['--version'])), run: () => kernel('nftables', count, (at) => createNftablesBackEnd({ ...base, nft: createNft(at.shell) })) },
    iptables: { why: noLab ?? (await whyNot(shell, 'iptables', ['--version'])), run: () => kernel('iptables', count, (at) => createIptablesBackEnd({ ...base, iptables: iptables(at) }), oneRule) },
    userspace: {
      why: noLab ?? (await whyNot(shell, 'iptables', ['--version'])),
      run: () => kernel('userspace', Math.ceil(count / 10), (at) => createUserspaceBackEnd({ ...base, iptables: iptables(at), nodeIps: {}, open: openForwarder })),
    },
  };
  const figures: Figure[] = [];
  for (const name of values.only.split(',')) {
    const bench = benches[name];
    if (!bench) throw new Error(`no back end is called ${name}`);
    if (bench.why) process.stdout.write(`${name}: not measured, ${bench.why}\n`);
    else figures.push(...(await bench.run()));
  }
  report(`kube-proxy, ${endpointCount} endpoints a service`, figures, values.json);
}

await main();
process.exit(0);
