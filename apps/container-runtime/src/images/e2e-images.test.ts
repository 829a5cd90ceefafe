import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestNode, testNode } from '../testing/test-node.ts';
import { piDigits } from './e2e-images.ts';

let node: TestNode;
beforeAll(async () => void (node = await testNode()));
afterAll(async () => {
  await node.component.stop();
  expect(node.problems).toEqual([]);
});

const e2e = (name: string): string => `registry.k8s.io/e2e-test-images/${name}`;
const output = async (container: string): Promise<string> => {
  await expect.poll(async () => (await node.runtime.containerStatus({ containerId: container })).status?.finishedAt).toBeGreaterThan(0n);
  return node.log(container);
};

test('setuid programs gain rights where they may', async () => {
  const run = async (name: string, noNewPrivs: boolean) => output((await node.runPod({ name, image: e2e('nonewprivs:1.3'), linux: { securityContext: { runAsUser: { value: 1000n }, noNewPrivs } } })).container);
  expect(await run('may', false)).toBe('Effective uid: 0\n');
  expect(await run('may-not', true)).toBe('Effective uid: 1000\n');
});

test('pictures, users, pi', async () => {
  for (const name of ['nautilus', 'kitten']) {
    const pod = await node.runPod({ name, image: e2e(`${name}:1.7`) });
    expect((await pod.sh('until wget -qO- localhost/data.json; do sleep 0.01; done')).stdout).toBe(`{"image":"${name}.jpg"}\n`);
  }
  const image = { containerPath: '/volume', image: { image: e2e('kitten:1.8') } };
  await node.images.pullImage(image);
  expect((await (await node.runPod({ name: 'volume', image: e2e('busybox:1.37.0-1'), command: ['sleep', '9'], mounts: [image] })).sh('cd /volume; cat data.json; grep -o "Alpine Linux" etc/os-release | head -1')).stdout).toBe('{"image":"kitten.jpg"}\nAlpine Linux\n');
  expect(await output((await node.runPod({ name: 'nonroot', image: e2e('nonroot:1.4'), command: ['id', '-u'] })).container)).toBe('1234\n');
  expect(piDigits(30)).toBe('3.141592653589793238462643383279');
  expect(await output((await node.runPod({ name: 'pi', image: 'perl:5.34.0', command: ['perl', '-Mbignum=bpi', '-wle', 'print bpi(2000)'] })).container)).toMatch(/^3\.14159265\d{1991}\n$/);
});

test('sysctls and hosts', async () => {
  const pod = await node.runPod({ name: 'ctl', image: e2e('busybox:1.37.0-1'), command: ['/bin/sysctl', 'kernel.shm_rmid_forced'], sandbox: { linux: { sysctls: { 'kernel.shm_rmid_forced': '1' } } } });
  expect(await output(pod.container)).toBe('kernel.shm_rmid_forced = 1\n');
});

test('images behind a login need one', async () => {
  const image = { image: 'gcr.io/authenticated-image-pulling/alpine:3.7' };
  await expect(node.images.pullImage({ image })).rejects.toThrow(
    'failed to pull and unpack image "gcr.io/authenticated-image-pulling/alpine:3.7": failed to resolve reference "gcr.io/authenticated-image-pulling/alpine:3.7": unexpected status from HEAD request to https://gcr.io/v2/authenticated-image-pulling/alpine/manifests/3.7: 403 Forbidden',
  );
  await expect(node.images.pullImage({ image: { image: 'private.registry.io/any:1' } })).rejects.toThrow('403 Forbidden');
  expect((await node.images.pullImage({ image, auth: { username: 'u', password: 'p' } })).imageRef).toMatch(/^sha256:/);
});
