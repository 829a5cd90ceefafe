import type { NetworkPolicy } from '@orrery/api/types';
import { VirtualClock } from '@orrery/runtime';
import { PolicyTable } from '@orrery/vnet';
import { describe, expect, it } from 'vitest';
import { type PolicyPod, compilePolicies, narrow } from './compile.ts';

const namespaces = ['x', 'y', 'z'];
const names = ['a', 'b', 'c'];
const number = (namespace: string, name: string): string => `10.0.${namespaces.indexOf(namespace)}.${names.indexOf(name) + 1}`;

/** The nine pods of upstream's network policy tests: x/a … z/c, with ports serve-80 and serve-81 of both protocols. */
const pods: PolicyPod[] = namespaces.flatMap((namespace) =>
  names.map((name) => ({
    namespace, name, nodeName: 'n', labels: { pod: name }, ips: [number(namespace, name)],
    ports: (['TCP', 'UDP'] as const).flatMap((protocol) => [80, 81].map((port) => ({ name: `serve-${port}-${protocol.toLowerCase()}`, protocol, port }))),
  })),
);

const policy = (spec: NetworkPolicy['spec'], namespace = 'x'): NetworkPolicy => ({ metadata: { namespace, name: 'p' }, spec });

/** Who reaches whom (`x/a>y/b`), on one port. */
function reached(policies: NetworkPolicy[], { port = 80, protocol = 'TCP' as 'TCP' | 'UDP', own = pods } = {}): Set<string> {
  const compiled = compilePolicies({ policies, pods: own, namespaces: new Map(namespaces.map((ns) => [ns, { ns }])) });
  const table = new PolicyTable(new VirtualClock());
  table.replace(narrow(compiled.rules, compiled.pods));
  const pairs = own.flatMap((from) => own.map((to) => ({ from, to })));
  const passes = pairs.filter(({ from, to }) => {
    const packet = { protocol, source: { ip: from.ips[0] ?? '', port: 40_000 }, to: { ip: to.ips[0] ?? '', port } };
    return table.egressAllowed(packet) && table.ingressAllowed(packet);
  });
  return new Set(passes.map(({ from, to }) => `${from.namespace}/${from.name}>${to.namespace}/${to.name}`));
}

const all = namespaces.flatMap((n1) => names.flatMap((p1) => namespaces.flatMap((n2) => names.map((p2) => [`${n1}/${p1}`, `${n2}/${p2}`] as const))));
const expected = (passes: (from: string, to: string) => boolean): Set<string> => new Set(all.filter(([from, to]) => from === to || passes(from, to)).map(([from, to]) => `${from}>${to}`));
const inX = (name: string): boolean => name.startsWith('x/');

describe('NetworkPolicy', () => {
  it.each<[string, NetworkPolicy[], (from: string, to: string) => boolean]>([
    ['none: all pass', [], () => true],
    ['default deny of ingress', [policy({ podSelector: {}, policyTypes: ['Ingress'] })], (_from, to) => !inX(to)],
    ['default deny of egress', [policy({ podSelector: {}, policyTypes: ['Egress'] })], (from) => !inX(from)],
    ['policyTypes default to ingress', [policy({ podSelector: {} })], (_from, to) => !inX(to)],
    ['policyTypes default to both with egress rules', [policy({ podSelector: {}, egress: [{}] })], (_from, to) => !inX(to)],
    ['allow all', [policy({ podSelector: {}, ingress: [{}], policyTypes: ['Ingress'] })], () => true],
    ['from pods of the own namespace', [policy({ podSelector: { matchLabels: { pod: 'a' } }, ingress: [{ from: [{ podSelector: { matchLabels: { pod: 'b' } } }] }] })], (from, to) => to !== 'x/a' || from === 'x/b'],
    ['from a namespace', [policy({ podSelector: { matchLabels: { pod: 'a' } }, ingress: [{ from: [{ namespaceSelector: { matchLabels: { ns: 'y' } } }] }] })], (from, to) => to !== 'x/a' || from.startsWith('y/')],
    [
      'from pods of a namespace (and)',
      [policy({ podSelector: { matchLabels: { pod: 'a' } }, ingress: [{ from: [{ namespaceSelector: { matchExpressions: [{ key: 'ns', operator: 'NotIn', values: ['x'] }] }, podSelector: { matchLabels: { pod: 'b' } } }] }] })],
      (from, to) => to !== 'x/a' || from === 'y/b' || from === 'z/b',
    ],
    [
      'from pods or a namespace (or)',
      [policy({ podSelector: { matchLabels: { pod: 'a' } }, ingress: [{ from: [{ namespaceSelector: { matchLabels: { ns: 'y' } } }, { podSelector: { matchLabels: { pod: 'b' } } }] }] })],
      (from, to) => to !== 'x/a' || from.startsWith('y/') || from === 'x/b',
    ],
    [
      'additive',
      [policy({ podSelector: {} }), policy({ podSelector: { matchLabels: { pod: 'a' } }, ingress: [{ from: [{ podSelector: { matchLabels: { pod: 'b' } } }] }] })],
      (from, to) => !inX(to) || (to === 'x/a' && from === 'x/b'),
    ],
    ['ipBlock with except', [policy({ podSelector: { matchLabels: { pod: 'a' } }, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/16', except: ['10.0.1.0/24'] } }] }] })], (from, to) => to !== 'x/a' || !from.startsWith('y/')],
    ['egress to an ipBlock', [policy({ podSelector: {}, egress: [{ to: [{ ipBlock: { cidr: '10.0.1.2/32' } }] }], policyTypes: ['Egress'] })], (from, to) => !inX(from) || to === 'y/b'],
    ['a port range', [policy({ podSelector: {}, ingress: [{ ports: [{ port: 79, endPort: 80 }] }] })], () => true],
    ['a port range that misses', [policy({ podSelector: {}, ingress: [{ ports: [{ port: 81, endPort: 90 }] }] })], (_from, to) => !inX(to)],
    ['another protocol', [policy({ podSelector: {}, ingress: [{ ports: [{ port: 80, protocol: 'UDP' }] }] })], (_from, to) => !inX(to)],
    ['a port without a number', [policy({ podSelector: {}, ingress: [{ ports: [{ protocol: 'TCP' }] }] })], () => true],
    ['a named port of ingress', [policy({ podSelector: {}, ingress: [{ ports: [{ port: 'serve-80-tcp' }] }] })], () => true],
    ['a named port of egress', [policy({ podSelector: {}, egress: [{ ports: [{ port: 'serve-80-tcp' }] }], policyTypes: ['Egress'] })], () => true],
    ['a named port of the other protocol', [policy({ podSelector: {}, ingress: [{ ports: [{ port: 'serve-80-udp' }] }] })], (_from, to) => !inX(to)],
    ['empty peers that select nobody', [policy({ podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { pod: 'nobody' } } }] }] })], (_from, to) => !inX(to)],
  ])('%s', (_name, policies, passes) => expect(reached(policies)).toEqual(expected(passes)));

  it('a name means what it means at each pod', () => {
    const own = pods.map((pod) => (pod.name === 'b' ? { ...pod, ports: [{ name: 'serve-80-tcp', protocol: 'TCP' as const, port: 8080 }] } : pod));
    const ingress = policy({ podSelector: {}, ingress: [{ ports: [{ port: 'serve-80-tcp' }] }] });
    expect(reached([ingress], { own })).toEqual(expected((_from, to) => to !== 'x/b'));
    expect(reached([ingress], { own, port: 8080 })).toEqual(expected((_from, to) => !inX(to) || to === 'x/b'));
    const egress = policy({ podSelector: {}, egress: [{ to: [{ namespaceSelector: {} }], ports: [{ port: 'serve-80-tcp' }] }], policyTypes: ['Egress'] });
    expect(reached([egress], { own })).toEqual(expected((from, to) => !inX(from) || !to.endsWith('b')));
    expect(reached([egress], { own, port: 8080 })).toEqual(expected((from, to) => !inX(from) || to.endsWith('b')));
  });

  it('UDP is told from TCP', () => {
    expect(reached([policy({ podSelector: {}, ingress: [{ ports: [{ port: 80, protocol: 'UDP' }] }] })], { protocol: 'UDP' })).toEqual(expected(() => true));
  });
});
