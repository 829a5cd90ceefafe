import { criClients } from '@orrery/cri';
import { type ContainerEventResponse, ContainerEventType, ContainerState, PodSandboxState } from '@orrery/proto/cri';
import { type Channel, Code, RpcError } from '@orrery/rpc';
import { VirtualClock, seededRandom } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { createContainerRuntime, memoryMounts, runtimeConfig } from './component.ts';
import { type TestNode, testNode } from './testing/test-node.ts';

const troubledMs = 40_000;
/** Small: one that an address leaks from is used up. */
const podCidr = '10.244.1.0/27';
const usable = 29;
const names = Array.from({ length: 16 }, (_, i) => `p${i}`);
const image = 'busybox';
const commands: readonly (readonly string[])[] = [
  ['sleep', '100000'],
  ['sh', '-c', 'trap "" TERM; while true; do sleep 1; done'],
  ['sh', '-c', 'sleep 3; exit 2'],
  ['nc', '-lk', '-p', '8080', '-e', 'echo', 'x'],
];

const newClock = (): VirtualClock => new VirtualClock({ drain: () => new Promise<void>((resolve) => void setImmediate(resolve)) });

/** Of callers that are not told, tell twice, or are gone before the answer. */
function flaky(channel: Channel, { random, rate }: { random: ReturnType<typeof seededRandom>; rate: () => number }): Channel {
  return {
    ...channel,
    call(definition, method, input, options) {
      const ask = (): Promise<unknown> => Promise.resolve(channel.call(definition, method, input, options));
      if (random.next() >= rate()) return ask();
      const fate = random.int(3);
      // Both at once: the second comes while the first is under way.
      if (fate === 0) return Promise.all([ask(), ask()].map((answer) => answer.catch((error: unknown) => error))).then(([first, second]) => (first instanceof Error ? (second instanceof Error ? Promise.reject(first) : second) : first));
      const lost = new RpcError(Code.UNAVAILABLE, 'the connection was lost');
      if (fate === 1) void ask().catch(() => undefined);
      return fate === 1 ? Promise.reject(lost) : ask().then(() => Promise.reject(lost));
    },
  };
}

/** What the runtime tells of itself, by the way that always answers. */
async function held(node: TestNode) {
  const { items: sandboxes = [] } = await node.runtime.listPodSandbox({});
  const { containers = [] } = await node.runtime.listContainers({});
  return { sandboxes, containers };
}

/** What may never be, whoever calls what. */
async function broken(node: TestNode): Promise<string[]> {
  const { sandboxes, containers } = await held(node);
  const found = node.problems.map(({ message }) => message);
  const byName = sandboxes.map(({ metadata }) => metadata?.name);
  if (new Set(byName).size < byName.length) found.push('two sandboxes have a name');
  const ips: string[] = [];
  for (const { id = '', state, metadata } of sandboxes) {
    const { status } = await node.runtime.podSandboxStatus({ podSandboxId: id });
    if (status?.network?.ip) ips.push(status.network.ip);
    const mine = containers.filter(({ podSandboxId }) => podSandboxId === id);
    const running = mine.filter((one) => one.state === ContainerState.CONTAINER_RUNNING);
    if (state === PodSandboxState.SANDBOX_NOTREADY && running.length) found.push(`${metadata?.name} is stopped and runs ${running.length}`);
    if (new Set(mine.map((one) => `${one.metadata?.name}_${one.metadata?.attempt}`)).size < mine.length) found.push(`two containers of ${metadata?.name} have a name`);
  }
  if (new Set(ips).size < ips.length) found.push('two pods have an address');
  for (const { podSandboxId } of containers) if (!sandboxes.some(({ id }) => id === podSandboxId)) found.push('a container outlives its sandbox');
  return found;
}

/** What somebody who follows events believes of it. */
async function follow(node: TestNode, known: Map<string, ContainerEventType>): Promise<void> {
  for await (const { containerId = '', containerEventType: type } of node.runtime.getContainerEvents({}) as AsyncIterable<ContainerEventResponse>) {
    if (type === undefined || type === ContainerEventType.CONTAINER_DELETED_EVENT) known.delete(containerId);
    else known.set(containerId, type);
  }
}

/** What the pod range is short of: every address of it is to be had, and no more. */
async function lacking(runtime: TestNode['runtime']): Promise<string[]> {
  const run = (i: number): Promise<unknown> => runtime.runPodSandbox({ config: { metadata: { name: `full${i}`, uid: 'u', namespace: 'd' } } });
  const short = (await Promise.allSettled(Array.from({ length: usable }, (_, i) => run(i)))).flatMap((one) => (one.status === 'rejected' ? String(one.reason) : []));
  await expect(run(usable)).rejects.toThrow('no IP addresses available in range set');
  return short;
}

async function live(seed: number): Promise<string[]> {
  const clock = newClock();
  const random = seededRandom(seed);
  const node = await testNode({ clock, config: { podCidr } });
  let rate = 0.3;
  const { runtime } = criClients(flaky(node.component.channel(), { random, rate: () => rate }));
  await node.images.pullImage({ image: { image } });
  const known = new Map<string, ContainerEventType>();
  const following = follow(node, known);
  const swallow = (work: Promise<unknown>): void => void work.catch((error: unknown) => {
    // Whatever the calls' order: the caller is told why, by the runtime.
    if (!(error instanceof RpcError)) throw error;
  });
  const act = async (): Promise<void> => {
    const { sandboxes, containers } = await held(node);
    const name = names[random.int(names.length)] ?? '';
    const config = { metadata: { name, uid: name, namespace: 'd', attempt: 0 }, hostname: name, logDirectory: `/var/log/pods/${name}` };
    const podSandboxId = sandboxes.find(({ metadata }) => metadata?.name === name)?.id;
    if (!podSandboxId) return swallow(runtime.runPodSandbox({ config }));
    const mine = containers.filter((one) => one.podSandboxId === podSandboxId);
    const { id: containerId = '' } = mine[random.int(Math.max(1, mine.length))] ?? {};
    const dice = random.int(12);
    if (dice < 4) return swallow(runtime.createContainer({ podSandboxId, config: { metadata: { name: `c${random.int(3)}`, attempt: random.int(2) }, image: { image }, command: [...(commands[random.int(commands.length)] ?? [])], logPath: 'c.log' }, sandboxConfig: config }));
    if (dice < 8) return swallow(runtime.startContainer({ containerId }));
    if (dice === 8) return swallow(runtime.stopContainer({ containerId, timeout: BigInt(random.int(3)) }));
    if (dice === 9) return swallow(runtime.removeContainer({ containerId }));
    swallow(dice === 10 ? runtime.stopPodSandbox({ podSandboxId }) : runtime.removePodSandbox({ podSandboxId }));
    // In the middle of it.
    if (random.int(2)) swallow(runtime.startContainer({ containerId }));
  };
  while (clock.monotonic() < troubledMs) {
    // Several callers at once.
    await Promise.all([act(), act(), act()]);
    await clock.advance(random.int(120));
    const found = await broken(node);
    if (found.length) return found;
  }
  rate = 0;
  const { containers, sandboxes } = await held(node);
  const left: string[] = [];
  for (const { id = '', state } of containers) {
    const believed = known.get(id) === ContainerEventType.CONTAINER_STARTED_EVENT;
    if (believed !== (state === ContainerState.CONTAINER_RUNNING)) left.push(`a container is ${state}, events said ${known.get(id)}`);
  }
  await Promise.all(sandboxes.map(({ id: podSandboxId = '' }) => runtime.removePodSandbox({ podSandboxId })));
  await clock.advance(5_000);
  if (known.size) left.push(`events tell of ${known.size} that are gone: ${[...known.values()].join()}`);
  // Nothing of it runs on: neither timers, nor programs, nor addresses.
  if (clock.pending) left.push(`${clock.pending} timers`);
  left.push(...(await lacking(node.runtime)));
  await node.component.stop();
  await following;
  return [...left, ...node.problems.map(({ message }) => message)];
}

const first = Number(process.env['ORRERY_SEED']) || 1;
const seeds = Number(process.env['ORRERY_SEEDS'] ?? 4);

test('whoever calls what, twice, at once or without an answer: nothing is there twice, nothing leaks', { timeout: 600_000 }, async () => {
  for (let seed = first; seed < first + seeds; seed++) expect(await live(seed), `seed ${seed}`).toEqual([]);
});

test('a runtime that ends in the middle of calls ends all of them, and leaves the node to the next', async () => {
  const clock = newClock();
  const node = await testNode({ clock, config: { podCidr } });
  const idle = clock.pending;
  const portMappings = [{ containerPort: 8080, hostPort: 18080, hostIp: '', protocol: 0 as const }];
  const pods = await Promise.all(commands.map((command, i) => node.runPod({ name: `p${i}`, image, command: [...command], sandbox: i ? {} : { portMappings } })));
  await clock.advance(1_000);
  const calls = pods.flatMap(({ container: containerId }) => [node.runtime.stopContainer({ containerId, timeout: 3_000n }), node.runtime.execSync({ containerId, cmd: ['sleep', '4000'] })]);
  const ends = Promise.allSettled(calls);
  await node.component.stop();
  await clock.advance(1);
  expect((await ends).length).toBe(calls.length);
  expect([clock.pending, node.problems]).toEqual([idle, []]);
  // By the same switch, as the emulated node has it.
  const next = createContainerRuntime(node.env, { switch: node.switch, mounts: memoryMounts(node.volumes, clock), logs: node.logs }, runtimeConfig({ node: 'node-1', pullMs: 0, podCidr }));
  await next.start();
  const { runtime } = criClients(next.channel());
  expect([await runtime.listPodSandbox({}), await runtime.listContainers({})]).toEqual([{ items: [] }, { containers: [] }]);
  const { podSandboxId = '' } = await runtime.runPodSandbox({ config: { metadata: { name: 'p0', uid: 'uid-p0', namespace: 'default' }, portMappings } });
  await runtime.removePodSandbox({ podSandboxId });
  expect(await lacking(runtime)).toEqual([]);
  await next.stop();
});
