import { seededRandom } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { type ApartParts, apartWorld, tellEach } from './apart-world.ts';
import { checkedFault } from './fault.ts';
import { ProcessFaultBook, ProcessFaults, type ToldFaults, parseToldFaults } from './process-faults.ts';

const components = ['nats', 'store', 'apiserver', 'scheduler', 'cloud', 'kubelet-a', 'container-runtime-a', 'kubelet-b', 'container-runtime-b'];

/** A cluster of which everything that is done to it is written down; each component follows what it is told. */
function world(tell?: (name: string, told: ToldFaults) => Promise<void>) {
  const done: string[] = [];
  const processes = new Map(components.map((name) => [name, new ProcessFaults()]));
  const links = (name: string) => ({ partition: (a: string, b: string, oneWay = false) => void done.push(`${name}: ${a} ${oneWay ? '>' : ''}x ${b}`), heal: (a: string, b: string, oneWay = false) => void done.push(`${name}: ${a} ${oneWay ? '>' : ''}- ${b}`), setLink: (a: string, b: string, fault: object) => void done.push(`${name}: ${a} ${JSON.stringify(fault)} ${b}`) });
  for (const [name, faults] of processes) faults.followLinks(links(name));
  const act = (what: string) => async (names: readonly string[]) => void done.push(`${what} ${names.join()}`);
  const book = new ProcessFaultBook(tell ?? (async (name, told) => processes.get(name)?.apply(parseToldFaults(JSON.stringify(told)))));
  const parts: ApartParts = {
    name: 'processes',
    inventory: async () => ({ components, nodes: [{ name: 'a' }, { name: 'b' }] }),
    kill: act('kill'),
    restart: act('restart'),
    async pause(names) {
      await act('pause')(names);
      return () => act('go on')(names);
    },
    ofNode: (node) => [`kubelet-${node}`, `container-runtime-${node}`],
    strikeLink: ({ id, from, to, oneWay, fault }) => tellEach(book, [`container-runtime-${from}`, `container-runtime-${to}`], { id, link: { from, to, oneWay, ...(fault ? { fault } : {}) } }),
    book,
    isTold: (name) => name !== 'nats',
    requests: { add: async (id, { verb }) => void done.push(`requests + ${id} ${verb}`), remove: async (id) => void done.push(`requests - ${id}`) },
    random: seededRandom(1),
  };
  const { inject } = apartWorld(parts);
  return { done, processes, inject: (fault: object, id = 'f') => inject(id, checkedFault(fault)) };
}

it.each<[object, string[], string[]]>([
  [{ verb: 'kill', selector: { components: ['kubelet'] } }, ['kill kubelet-a,kubelet-b'], []],
  [{ verb: 'restart', selector: { components: ['scheduler'] } }, ['restart scheduler'], []],
  [{ verb: 'pause', selector: { components: ['scheduler'] } }, ['pause scheduler'], ['go on scheduler']],
  [{ verb: 'node-outage', selector: { nodes: ['b'] } }, ['pause kubelet-b,container-runtime-b'], ['go on kubelet-b,container-runtime-b']],
  [{ verb: 'nats-outage' }, ['pause nats'], ['go on nats']],
  [{ verb: 'cloud-outage' }, ['pause cloud'], ['go on cloud']],
  [{ verb: 'api-error', code: 500 }, ['requests + f api-error'], ['requests - f']],
  [{ verb: 'partition', oneWay: true, selector: { from: ['a'], to: ['apiserver'] } }, ['requests + f/0 partition'], ['requests - f/0']],
  [{ verb: 'partition', oneWay: true, selector: { from: ['a'], to: ['b'] } }, ['container-runtime-a: a >x b', 'container-runtime-b: a >x b'], ['container-runtime-a: a >- b', 'container-runtime-b: a >- b']],
  [{ verb: 'partition', selector: { from: ['a'], to: ['b'] } }, ['container-runtime-a: a x b', 'container-runtime-b: a x b'], ['container-runtime-a: a - b', 'container-runtime-b: a - b']],
  [{ verb: 'delay', delayMs: 5, selector: { from: ['a'], to: ['b'] } }, ['container-runtime-a: a {"latencyMs":5,"jitterMs":0} b', 'container-runtime-b: a {"latencyMs":5,"jitterMs":0} b'], ['container-runtime-a: a {} b', 'container-runtime-b: a {} b']],
])('%j is done and undone', async (fault, begun, ended) => {
  const { done, inject } = world();
  const { end } = await inject(fault);
  expect(done.splice(0)).toEqual(begun);
  await end();
  expect(done).toEqual(ended);
});

it('tells processes of their clocks and disks, each fault until its own end', async () => {
  const { processes, inject } = world();
  const [store, scheduler] = [processes.get('store'), processes.get('scheduler')];
  const skew = await inject({ verb: 'clock-skew', byMs: 3_600_000, selector: { components: ['scheduler', 'store'] } });
  expect([store?.clockOffsetMs, scheduler?.clockOffsetMs, processes.get('cloud')?.clockOffsetMs]).toEqual([3_600_000, 3_600_000, 0]);
  const jump = await inject({ verb: 'clock-jump', byMs: 1_000 }, 'jump');
  await skew.end();
  await jump.end();
  // Time that has gone by does not come back.
  expect([store?.clockOffsetMs, processes.get('cloud')?.clockOffsetMs, processes.get('nats')?.clockOffsetMs]).toEqual([1_000, 1_000, 0]);
  const disk = await inject({ verb: 'disk-slow', delayMs: 20, selector: { components: ['store'] } });
  expect([...(store?.disk.values() ?? [])]).toEqual([{ kind: 'disk-slow', delayMs: 20 }]);
  await disk.end();
  expect(store?.disk.active).toBe(false);
});

it('leaves nothing behind where one of several does not follow', async () => {
  const told: string[] = [];
  const { inject } = world(async (name, { faults }) => {
    told.push(`${name} ${faults.length}`);
    if (name === 'container-runtime-b' && faults.length) throw new Error('b does not follow');
  });
  await expect(inject({ verb: 'partition', selector: { from: ['a'], to: ['b'] } })).rejects.toThrow('b does not follow');
  expect(told.slice(2, 4).sort()).toEqual(['container-runtime-a 0', 'container-runtime-b 0']);
});

it.each<[object, string]>([
  [{ verb: 'clock-skew', byMs: 1, selector: { components: ['nats'] } }, 'nats goes by no clock that could be told to be off'],
  [{ verb: 'disk-full', selector: { components: ['scheduler'] } }, 'disk-full is for the store: scheduler keeps nothing on a disk'],
  [{ verb: 'clock-jump', byMs: -1 }, 'the cluster\'s time never goes back'],
  [{ verb: 'partition', selector: { from: ['a'], to: ['a'] } }, 'partition is between two: both ends are the same'],
  [{ verb: 'partition', selector: { from: ['a'], to: ['scheduler'] } }, 'components speak to the API server only'],
])('%j is refused', async (fault, why) => {
  const { done, inject } = world();
  await expect(inject(fault)).rejects.toThrow(why);
  expect(done).toEqual([]);
});

it.each(['{}', 'null', '{"revision":"1","faults":[{"id":"x"}]}', '{"revision":"1","faults":[{"id":"x","clockMs":1,"disk":{}}]}'])('a process does not take %s for faults', (text) => {
  expect(() => parseToldFaults(text)).toThrow();
});
