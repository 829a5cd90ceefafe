import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestNode, type TestPod, testNode } from '../testing/test-node.ts';

let node: TestNode;
let client: TestPod;

beforeAll(async () => {
  node = await testNode();
  client = await node.runPod({ name: 'client', image: 'curlimages/curl', command: ['sleep', '3600'] });
});

afterAll(async () => {
  await node.component.stop();
  expect(node.problems).toEqual([]);
});

const curl = async (...args: string[]): Promise<string> => (await client.exec('curl', '-s', ...args)).stdout;
const statsOf = async (pod: TestPod) => (await node.runtime.containerStats({ containerId: pod.container })).stats;
const cpuMs = async (pod: TestPod): Promise<number> => Number((await statsOf(pod))?.cpu?.usageCoreNanoSeconds?.value ?? 0n) / 1e6;
const megabytes = async (pod: TestPod): Promise<number> => Math.round(Number((await statsOf(pod))?.memory?.workingSetBytes?.value ?? 0n) / 1024 ** 2);

async function consumer(more: object = {}): Promise<TestPod> {
  const pod = await node.runPod({ name: `consumer-${Object.keys(more).length}`, image: 'registry.k8s.io/e2e-test-images/resource-consumer:1.13', ...more });
  await client.sh(`until nc -z ${pod.ip} 8080 2>/dev/null; do sleep 0.01; done`);
  return pod;
}

test('a consumer spends what it is told to', async () => {
  const pod = await consumer();
  expect(await curl('-d', 'millicores=900&durationSec=600', `${pod.ip}:8080/ConsumeCPU`)).toBe('ConsumeCPU\n900 millicores\n600 durationSec\n');
  // The time before the first look and after the last: what passes while they are on their way is time it had.
  const fromMs = performance.now();
  const from = await cpuMs(pod);
  await expect.poll(async () => (await cpuMs(pod)) - from).toBeGreaterThan(40);
  expect((await cpuMs(pod)) - from).toBeLessThanOrEqual((performance.now() - fromMs) * 0.95 + 20);
  const before = await megabytes(pod);
  expect(await curl('-X', 'POST', `${pod.ip}:8080/ConsumeMem?megabytes=200&durationSec=600`)).toBe('ConsumeMem\n200 megabytes\n600 durationSec\n');
  expect((await megabytes(pod)) - before).toBe(200);
  expect(await curl('-d', 'metric=foo&delta=1.5&durationSec=600', `${pod.ip}:8080/BumpMetric`)).toBe('BumpMetric\nfoo metric\n1.5 delta\n600 durationSec\n');
  expect(await curl(`${pod.ip}:8080/metrics`)).toContain('foo 1.5\n');
  for (const [args, answer] of [
    [[`${pod.ip}:8080/ConsumeCPU`], 'Bad request. Not a POST request\n'],
    [['-d', 'millicores=1', `${pod.ip}:8080/ConsumeCPU`], 'not given function argument\n'],
    [['-d', 'millicores=x&durationSec=1', `${pod.ip}:8080/ConsumeCPU`], 'incorrect function argument\n'],
    [['-d', 'a=b', `${pod.ip}:8080/Consume`], 'unknown function\n'],
  ] as const) expect(await curl(...args)).toBe(answer);
});

test('one that takes more memory than it may is killed', async () => {
  const pod = await consumer({ linux: { resources: { memoryLimitInBytes: BigInt(100 * 1024 ** 2) } } });
  await curl('-d', 'megabytes=200&durationSec=600', `${pod.ip}:8080/ConsumeMem`);
  await expect.poll(async () => (await node.runtime.containerStatus({ containerId: pod.container })).status).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
});

test('a request costs what image and annotation say', async () => {
  const page = await node.runPod({ name: 'page', image: 'registry.k8s.io/hpa-example' });
  const said = await node.runPod({ name: 'said', image: 'nginx:1.27', sandbox: { annotations: { 'orrery.dev/cpu-per-request': '50m' } } });
  for (const pod of [page, said]) await client.sh(`until nc -z ${pod.ip} 80 2>/dev/null; do sleep 0.01; done`);
  const before = [await cpuMs(page), await cpuMs(said)];
  await client.sh(`for i in 1 2 3 4 5 6 7 8 9 10; do curl -s ${page.ip} ${said.ip}; done`);
  await expect.poll(async () => (await cpuMs(page)) - (before[0] ?? 0)).toBeGreaterThanOrEqual(100);
  await expect.poll(async () => (await cpuMs(said)) - (before[1] ?? 0)).toBeGreaterThanOrEqual(500);
  expect((await cpuMs(page)) - (before[0] ?? 0)).toBeLessThan(200);
});

test('the controller spreads what is asked, and says what it could not', async () => {
  const pod = await node.runPod({ name: 'controller', image: 'registry.k8s.io/e2e-test-images/agnhost:2.53', args: ['resource-consumer-controller', '--consumer-service-name=nobody', '--consumer-service-namespace=here', '--consumer-port=80', '--port=9000'] });
  await client.sh(`until nc -z ${pod.ip} 9000 2>/dev/null; do sleep 0.01; done`);
  const lines = (await curl('-d', 'millicores=250&durationSec=1&requestSizeMillicores=100', `${pod.ip}:9000/ConsumeCPU`)).split('\n');
  expect(lines[0]).toBe('RC manager: sending 2 requests to consume 100 millicores each and 1 request to consume 50 millicores');
  expect(lines.slice(1, 4).every((line) => line.startsWith('Failed to connect to consumer: '))).toBe(true);
  expect(await curl('-d', 'millicores=250&durationSec=1&requestSizeMillicores=0', `${pod.ip}:9000/ConsumeCPU`)).toBe('incorrect function argument\n');
});
