import { readFileSync } from 'node:fs';
import { seededRandom } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { selectsRequest } from './api-faults.ts';
import { checkedFault, faultProblems, faultText } from './fault.ts';
import { RecoveryWatch } from './recovery.ts';
import { type ChaosReport, reportHtml, reportJson, reportText } from './report.ts';
import { pairsOf, targetsOf } from './targets.ts';
import { cannot, describeVerb, verbNames, worlds } from './verbs.ts';

describe('a fault', () => {
  it.each<[object, string]>([
    [{ verb: 'explode' }, `verb: "explode" is no fault; these are: ${verbNames.join(', ')}`],
    [{ verb: 'kill' }, 'selector.components: kill is aimed at components: name at least one'],
    [{ verb: 'delay', selector: { from: ['a'] } }, 'delayMs: delay needs it; selector.to: delay is aimed at pairs: name at least one'],
    [{ verb: 'pause', code: 500, selector: { components: ['store'] } }, 'code: pause does not take it'],
    [{ verb: 'api-error', code: 500, percent: 0 }, 'percent: must be above 0 and at most 100'],
    [{ verb: 'api-error', code: 500, selector: { verbs: ['look'] } }, 'selector.verbs: "look" is no verb of requests; these are: create, update, patch, delete, deletecollection, get, list, watch, read, write'],
    [{ verb: 'node-outage', selector: { nodes: 'node-1' } }, 'selector.nodes: must be a list of names'],
    [{ verb: 'kill', selector: { components: ['store'], count: 1.5 } }, 'selector.count: must be a whole number above 0'],
  ])('%j is refused', (fault, why) => {
    expect(() => checkedFault(fault)).toThrow(new Error(why));
  });

  it('reads as it is told', () => {
    expect(faultText(checkedFault({ verb: 'api-error', code: 500, when: 'after', percent: 20, selector: { verbs: ['create'], resources: ['pods'], users: ['scheduler'] } }))).toBe('api-error 500 after create pods by scheduler (20 %)');
    expect(faultText(checkedFault({ verb: 'partition', oneWay: true, selector: { from: ['node-1'], to: ['apiserver'] } }))).toBe('partition node-1 → apiserver');
  });

  it('can be done in some world, and says in which', () => {
    for (const name of verbNames) expect(describeVerb(name).worlds.length, name).toBeGreaterThan(0);
    expect(cannot('kill', 'single')).toBe('kill cannot be done in the single world; these can: simulated, processes, compose');
    expect(cannot('pause', 'single')).toBeUndefined();
  });
});

it('is told of in docs/CHAOS.md as it is', () => {
  const rows = readFileSync(new URL('../../../docs/CHAOS.md', import.meta.url), 'utf8').split('\n').filter((line) => / (yes|no) \|$/.test(line));
  expect(rows).toEqual(verbNames.map((name) => `| ${name} | ${worlds.map((world) => (cannot(name, world) ? 'no' : 'yes')).join(' | ')} |`));
});

it('draws its targets', () => {
  const zone = (name: string) => ({ 'topology.kubernetes.io/zone': name });
  const inventory = { components: ['scheduler', 'store-1', 'store-2', 'store-3', 'kubelet-a', 'kubelet-b'], nodes: [{ name: 'a', labels: zone('x') }, { name: 'b', labels: zone('y') }] };
  const targets = (fault: object): string[] => targetsOf(checkedFault(fault), inventory, seededRandom(1));
  expect(targets({ verb: 'kill', selector: { components: ['store', 'scheduler'] } })).toEqual(['store-1', 'store-2', 'store-3', 'scheduler']);
  expect(targets({ verb: 'kill', selector: { components: ['store'], count: 1 } })).toHaveLength(1);
  expect(targets({ verb: 'kill', selector: { components: ['a'] } })).toEqual(['kubelet-a']);
  expect(targets({ verb: 'zone-outage', selector: { zones: ['y'] } })).toEqual(['b']);
  expect(targets({ verb: 'node-outage', selector: { nodeLabels: zone('x') } })).toEqual(['a']);
  expect(() => targets({ verb: 'zone-outage', selector: { zones: ['z'] } })).toThrow('no node is in a zone "z"; there are: x, y');
  expect(() => targets({ verb: 'node-outage', selector: { nodes: ['c'] } })).toThrow('there is no node "c"; there are: a, b');
});

it.each<[string, string[], string]>([
  ['a', ['apiserver', 'b', 'a'], 'a-apiserver a-b'],
  ['kubelet', ['apiserver'], 'kubelet-a-apiserver kubelet-b-apiserver'],
  ['scheduler', ['apiserver'], 'scheduler-apiserver'],
  ['kube-proxy', ['apiserver'], 'kube-proxy-apiserver'],
  ['kubelet-c', ['apiserver'], 'there is no component "kubelet-c"; there are: scheduler, scheduler-2, store, kubelet-a, kubelet-b, kube-proxy-a'],
  ['scheduler-2', ['apiserver'], 'all replicas of scheduler are one user to the API server, and can only be struck together: name scheduler'],
  ['kube-proxy-a', ['apiserver'], 'all replicas of kube-proxy are one user to the API server, and can only be struck together: name kube-proxy'],
  ['store', ['apiserver'], 'store asks nothing of the API server'],
])('links from %s to %j: %s', (from, to, expected) => {
  const inventory = { components: ['scheduler', 'scheduler-2', 'store', 'kubelet-a', 'kubelet-b', 'kube-proxy-a'], nodes: [{ name: 'a' }, { name: 'b' }] };
  const links = (): string => pairsOf(checkedFault({ verb: 'partition', selector: { from: [from], to } }), inventory).map((pair) => `${pair.from}-${pair.to}`).join(' ');
  let found: string;
  try {
    found = links();
  } catch (error) {
    found = (error as Error).message;
  }
  expect(found).toBe(expected);
});

it.each([
  [{ verbs: ['write'] }, true],
  [{ verbs: ['read'] }, false],
  [{ resources: ['deployments.apps'] }, true],
  [{ resources: ['deployments/scale'] }, false],
  [{ resources: ['pods', '*'] }, true],
  [{ namespaces: ['kube-system'] }, false],
  [{ users: ['controller-manager'] }, true],
  [{ users: ['kubelet'] }, false],
])('selects requests by %j', (selector, selected) => {
  const request = { user: 'system:serviceaccount:kube-system:deployment-controller', verb: 'update', group: 'apps', resource: 'deployments', subresource: 'status', namespace: 'default', name: 'web' };
  expect(selectsRequest(selector, request)).toBe(selected);
  expect(selectsRequest(selector, { ...request, user: 'orrery:chaos' })).toBe(false);
});

describe('recovery', () => {
  it('is when all is well for good', () => {
    const watch = new RecoveryWatch();
    const see = (at: number, trouble?: string): void => watch.observe(at, [{ what: 'x', trouble }]);
    see(0);
    see(10, 'down');
    expect(watch.recoveredSince(5)).toBeUndefined();
    see(20);
    see(30, 'down again');
    see(40);
    expect(watch.recoveredSince(35)).toBe(40);
    expect(watch.recoveredSince(50)).toBeUndefined();
    expect(watch.disturbances()).toEqual([{ what: 'x', detail: 'down', fromMs: 10, untilMs: 20 }, { what: 'x', detail: 'down again', fromMs: 30, untilMs: 40 }]);
  });
});

describe('a report', () => {
  const at = Date.UTC(2026, 0, 1);
  const report: ChaosReport = {
    cluster: 'c<1>',
    madeMs: at + 90_000,
    injections: [
      { name: 'a', what: 'pause store', targets: ['store'], startedMs: at, endedMs: at + 10_000, recoveredMs: at + 12_500 },
      { name: 'b', what: 'kill x', targets: [], startedMs: at + 60_000, endedMs: at + 60_000, error: 'there is no component "x"' },
      { name: 'c', what: 'delay 5 ms a ↔ b', targets: ['a ↔ b'], startedMs: at + 70_000 },
    ],
    disturbances: [{ what: 'the API server answers', detail: 'no answer within 2000 ms', fromMs: at + 2_000, untilMs: at + 12_500 }],
  };

  it('tells people', () => {
    expect(reportText(report)).toBe(`Chaos on c<1>: 3 injections

00:00:00.000  pause store  [a]
              struck: store
              lasted 10s, well again after 2.5s
  00:00:02.000  not so: the API server answers (no answer within 2000 ms), for 10.5s

00:01:00.000  kill x  [b]
              failed: there is no component "x"

00:01:10.000  delay 5 ms a ↔ b  [c]
              struck: a ↔ b
              in force
`);
  });

  it('tells programs', () => {
    expect((JSON.parse(reportJson(report)) as { injections: object[] }).injections[0]).toEqual({ name: 'a', what: 'pause store', targets: ['store'], started: '2026-01-01T00:00:00.000Z', ended: '2026-01-01T00:00:10.000Z', recovered: '2026-01-01T00:00:12.500Z', lastedMs: 10_000, recoveryMs: 2_500 });
  });

  it('draws a timeline that needs nothing else', () => {
    const html = reportHtml(report);
    expect(html).not.toContain('c<1>');
    expect(html).not.toMatch(/https?:|<script|<link/);
    expect(html.match(/<rect class="fault"/g)).toHaveLength(3);
    expect(html.match(/<rect class="recovery"/g)).toHaveLength(1);
    expect(html.match(/<rect class="trouble"/g)).toHaveLength(1);
  });
});

it('knows all that is wrong at once', () => {
  expect(faultProblems({ verb: 'delay', percent: 1, selector: {} }).map(({ field }) => field)).toEqual(['delayMs', 'percent', 'selector.from', 'selector.to']);
});
