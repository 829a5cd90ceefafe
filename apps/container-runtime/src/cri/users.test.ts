import { SupplementalGroupsPolicy } from '@orrery/proto/cri';
import { expect, test, vi } from 'vitest';
import { testNode } from '../testing/test-node.ts';
import { capabilitiesOf } from './capabilities.ts';
import { Container } from './container.ts';

test.each([
  [{}, 0xa80425fbn],
  [{ capabilities: { dropCapabilities: ['ALL'] } }, 0n],
  [{ capabilities: { addCapabilities: ['NET_ADMIN', 'SYS_TIME'] } }, 0xaa0435fbn],
  [{ capabilities: { addCapabilities: ['NET_BIND_SERVICE'], dropCapabilities: ['all'] } }, 0x400n],
  [{ capabilities: { addCapabilities: ['ALL'], dropCapabilities: ['CAP_CHOWN'] } }, 0x1fffffffffen],
  [{ privileged: true, capabilities: { dropCapabilities: ['ALL'] } }, 0x1ffffffffffn],
])('capabilities of %j', (context, bits) => expect(capabilitiesOf(context)).toBe(bits));

test("users have the image's groups, unless only those of the pod are wanted", async () => {
  const node = await testNode();
  const image = 'registry.k8s.io/e2e-test-images/agnhost:2.53';
  const run = async (name: string, securityContext: object): Promise<string> => {
    const pod = await node.runPod({ name, image, command: ['sleep', '3600'], linux: { securityContext } });
    return (await pod.sh('id -G; grep -E "Cap(Eff|Bnd)" /proc/self/status')).stdout;
  };
  const user = { runAsUser: { value: 1000n }, supplementalGroups: [60_000n] };
  expect(await run('merge', user)).toBe('1000 50000 60000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\n');
  expect(await run('strict', { ...user, supplementalGroupsPolicy: SupplementalGroupsPolicy.Strict })).toMatch(/^1000 60000\n/);
  expect(await run('other', { ...user, runAsGroup: { value: 7n } })).toMatch(/^7 50000 60000\n/);
  expect(await run('unknown', { runAsUser: { value: 4711n } })).toMatch(/^0\n/);
  expect(await run('root', {})).toBe('0\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n');
  await node.component.stop();
});

test('a container that only waits gets no file system, though its image has a user', async () => {
  const node = await testNode();
  const files = vi.spyOn(Container.prototype, 'files');
  await node.runPod({ name: 'p', image: 'registry.k8s.io/pause:3.10' });
  expect(files).not.toHaveBeenCalled();
  files.mockRestore();
  await node.component.stop();
});
