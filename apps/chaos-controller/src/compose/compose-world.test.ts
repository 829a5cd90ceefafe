import type { DockerEngineClient } from '@orrery/node-io';
import { checkedFault } from '@orrery/chaos';
import type { ApiClient } from '@orrery/client';
import { seededRandom } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { composeChaos } from './compose-world.ts';
import { linkRules } from './links.ts';
import { componentOf } from './names.ts';

const services = ['pki', 'nats', 'store1', 'store2', 'store3', 'apiserver1', 'apiserver2', 'entrance', 'balancer', 'scheduler', 'scheduler-standby', 'cloud', ...['node1', 'node2'].flatMap((node) => [node, `${node}-runtime`, `${node}-kubelet`, `${node}-csi-disk`, `${node}-kube-proxy`]), 'real1', 'real1-kube-proxy'];

it('names services as the components they are', () => {
  expect(services.map((service) => componentOf(service))).toEqual([undefined, 'nats', 'store-1', 'store-2', 'store-3', 'apiserver-1', 'apiserver-2', undefined, 'balancer', 'scheduler', 'scheduler-2', 'cloud', undefined, 'container-runtime-node1', 'kubelet-node1', 'csi-disk-node1', 'kube-proxy-node1', undefined, 'container-runtime-node2', 'kubelet-node2', 'csi-disk-node2', 'kube-proxy-node2', 'kubelet-real1', 'kube-proxy-real1']);
  expect([componentOf('scheduler-standby', 2), componentOf('csi-disk', 2), componentOf('balancer', 2)]).toEqual(['scheduler-3', 'csi-disk-2', 'balancer']);
});

it('writes rules of nftables', () => {
  expect(linkRules('t', { addresses: ['10.0.0.1', '10.244.1.0/24'], fault: undefined, directions: ['in'] })).toBe('table inet t { chain in { type filter hook prerouting priority -310; policy accept; ip saddr 10.0.0.1 drop; ip saddr 10.244.1.0/24 drop; }; }');
  expect(linkRules('t', { addresses: ['fd00::1'], fault: { loss: 0.25 }, directions: ['out'] })).toContain('ip6 daddr fd00::1 numgen random mod 10000 < 2500 drop');
  expect(linkRules('t', { addresses: ['10.0.0.1'], fault: { bytesPerSecond: 1000 }, directions: ['in', 'out'] })).toContain('ip daddr 10.0.0.1 limit rate over 1000 bytes/second burst 2000 bytes drop');
  expect(linkRules('t', { addresses: ['10.0.0.1'], fault: { bytesPerSecond: 20_000 }, directions: ['in'] })).toContain('limit rate over 20000 bytes/second drop');
});

/** An engine that writes down what is asked of it. */
function world({ busy = [] }: { busy?: readonly string[] } = {}) {
  const done: string[] = [];
  const refusals = [...busy];
  const paused = new Set<string>();
  const act = (what: string) => async (id: string) => void done.push(`${what} ${id}`);
  const engine: DockerEngineClient = {
    containers: async (labels) => (labels['com.docker.compose.project'] === 'p' ? services.map((service) => ({ id: service, labels: { 'com.docker.compose.service': service }, state: service === 'pki' ? 'exited' : paused.has(service) ? 'paused' : 'running' })) : []),
    async pause(id) {
      const refused = refusals.indexOf(id);
      if (refused >= 0) throw new Error(`Cannot pause container ${refusals.splice(refused, 1).join()}: OCI runtime pause failed: unable to freeze: unknown`);
      paused.add(id);
      done.push(`pause ${id}`);
    },
    unpause: act('unpause'),
    killAndStart: act('kill'),
    restart: act('restart'),
    async exec(id, [program = '', ...words], user) {
      done.push(program === 'nft' ? `${id} as ${user}: ${words.join(' ')}` : `${id}: ${words.at(-2) ?? ''}`);
      return { code: 0, output: '' };
    },
  };
  const node = (name: string, address: string, range: string) => ({ metadata: { name }, spec: { podCIDRs: [range] }, status: { addresses: [{ type: 'InternalIP', address }, { type: 'Hostname', address: name }] } });
  const api = { list: async () => ({ items: [node('node1', '10.9.0.1', '10.244.0.0/24'), node('node2', '10.9.0.2', '10.244.1.0/24')] }) } as unknown as ApiClient;
  const chaos = (project: string) => composeChaos({ engine, project, api, random: seededRandom(1) });
  return { done, inject: (fault: object) => chaos('p').inject('f-1', checkedFault(fault)), elsewhere: () => chaos('q').inject('f-1', checkedFault({ verb: 'nats-outage' })) };
}

it.each<[object, string[], string[]]>([
  [{ verb: 'kill', selector: { components: ['store-2'] } }, ['kill store2'], []],
  [{ verb: 'restart', selector: { components: ['scheduler-2'] } }, ['restart scheduler-standby'], []],
  [{ verb: 'nats-outage' }, ['pause nats'], ['unpause nats']],
  [{ verb: 'node-outage', selector: { nodes: ['node2'] } }, ['pause node2-runtime', 'pause node2-kubelet', 'pause node2-csi-disk', 'pause node2-kube-proxy'], ['unpause node2-runtime', 'unpause node2-kubelet', 'unpause node2-csi-disk', 'unpause node2-kube-proxy']],
  [{ verb: 'disk-full', selector: { components: ['store-1'] } }, ['store1: {"revision":"1","faults":[{"id":"f-1","disk":{"kind":"disk-full"}}]}'], ['store1: {"revision":"2","faults":[]}']],
  [{ verb: 'clock-skew', byMs: 5, selector: { components: ['kubelet-node1'] } }, ['node1-kubelet: {"revision":"1","faults":[{"id":"f-1","clockMs":5}]}'], ['node1-kubelet: {"revision":"2","faults":[]}']],
  [{ verb: 'api-error', code: 500 }, ['apiserver1: {"revision":"1","faults":[{"id":"f-1","request":{"selector":{},"verb":"api-error","code":500}}]}', 'apiserver2: {"revision":"2","faults":[{"id":"f-1","request":{"selector":{},"verb":"api-error","code":500}}]}'], ['apiserver1: {"revision":"3","faults":[]}', 'apiserver2: {"revision":"4","faults":[]}']],
  [{ verb: 'partition', oneWay: true, selector: { from: ['node1'], to: ['node2'] } }, ['node2-kube-proxy as root: table inet orrery_chaos_f_1_node1_node2 { chain in { type filter hook prerouting priority -310; policy accept; ip saddr 10.9.0.1 drop; ip saddr 10.244.0.0/24 drop; }; }'], ['node2-kube-proxy as root: add table inet orrery_chaos_f_1_node1_node2; delete table inet orrery_chaos_f_1_node1_node2']],
])('%j is done and undone', async (fault, begun, ended) => {
  const { done, inject } = world();
  const { end } = await inject(fault);
  expect(done.splice(0)).toEqual(begun);
  await end();
  expect(done).toEqual(ended);
});

it.each<[object, string]>([
  [{ verb: 'delay', delayMs: 5, selector: { from: ['node1'], to: ['node2'] } }, 'these worlds can: simulated, single, processes'],
  [{ verb: 'kill', selector: { components: ['store'], count: 1.5 } }, 'must be a whole number'],
  [{ verb: 'kill', selector: { components: ['etcd'] } }, 'there is no component "etcd"; there are: apiserver-1'],
])('%j is refused', async (fault, why) => {
  const { done, inject } = world();
  await expect(async () => inject(fault)).rejects.toThrow(why);
  expect(done).toEqual([]);
});

it('asks again where the engine gives up to freeze a container, and lets all go on where one cannot be frozen', async () => {
  const busy = world({ busy: ['node2-kubelet', 'node2-kubelet'] });
  await busy.inject({ verb: 'node-outage', selector: { nodes: ['node2'] } });
  expect(busy.done.toSorted()).toEqual(['pause node2-csi-disk', 'pause node2-kube-proxy', 'pause node2-kubelet', 'pause node2-runtime']);
  const stuck = world({ busy: Array.from({ length: 99 }, () => 'node2-kubelet') });
  await expect(stuck.inject({ verb: 'node-outage', selector: { nodes: ['node2'] } })).rejects.toThrow('unable to freeze');
  expect(stuck.done).toEqual(['pause node2-runtime', 'pause node2-csi-disk', 'pause node2-kube-proxy', 'unpause node2-runtime', 'unpause node2-csi-disk', 'unpause node2-kube-proxy']);
});

it('says when there is no such cluster', async () => {
  await expect(world().elsewhere()).rejects.toThrow('the Docker engine knows no container of a project "q"');
});
