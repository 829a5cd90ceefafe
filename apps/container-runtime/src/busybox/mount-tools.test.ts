import { MountPropagation, NamespaceMode } from '@orrery/proto/cri';
import { expect, test } from 'vitest';
import { type TestPod, testNode } from '../testing/test-node.ts';

const privileged = { securityContext: { privileged: true } };
const sleeps = { image: 'busybox', command: ['sleep', '3600'] };
const dir = '/var/lib/kubelet/propagation';

test('mounts propagate between volumes and the node as mountPropagation says', async () => {
  const node = await testNode();
  const volume = (propagation: MountPropagation) => ({ ...sleeps, mounts: [{ containerPath: '/mnt/test', hostPath: dir, propagation }], linux: privileged });
  const pods: Record<string, TestPod> = {
    master: await node.runPod({ name: 'master', ...volume(MountPropagation.PROPAGATION_BIDIRECTIONAL) }),
    slave: await node.runPod({ name: 'slave', ...volume(MountPropagation.PROPAGATION_HOST_TO_CONTAINER) }),
    private: await node.runPod({ name: 'private', ...volume(MountPropagation.PROPAGATION_PRIVATE) }),
  };
  // It looks at its files only when all is mounted.
  const late = await node.runPod({ name: 'late', ...volume(MountPropagation.PROPAGATION_PRIVATE) });
  const exec = await node.runPod({ name: 'hostexec', ...sleeps, mounts: [{ containerPath: '/rootfs', hostPath: '/', readonly: true }], linux: privileged });
  const onNode = (script: string) => exec.exec('nsenter', '--mount=/rootfs/proc/1/ns/mnt', '--', 'sh', '-c', script);

  for (const [name, pod] of Object.entries(pods)) expect(await pod.sh(`mkdir /mnt/test/${name} && mount -t tmpfs e2e-${name} /mnt/test/${name} && echo ${name} > /mnt/test/${name}/file`)).toMatchObject({ code: 0, stderr: '' });
  expect(await onNode(`mkdir ${dir}/host; mount -t tmpfs e2e-host ${dir}/host; echo host > ${dir}/host/file`)).toMatchObject({ code: 0, stderr: '' });
  const seen = async (pod: TestPod) => (await pod.sh('cd /mnt/test; cat */file 2>/dev/null')).stdout.split('\n').filter(Boolean);
  expect(Object.fromEntries(await Promise.all(Object.entries(pods).map(async ([name, pod]) => [name, await seen(pod)])))).toEqual({ master: ['host', 'master'], slave: ['host', 'master', 'slave'], private: ['private'] });
  expect(await seen(late)).toEqual([]);
  const kubelet = (await onNode('pidof kubelet')).stdout.trim();
  expect(kubelet).toMatch(/^\d+$/);
  expect((await onNode(`nsenter -t ${kubelet} -m cat ${dir}/host/file ${dir}/master/file; test ! -e ${dir}/slave/file && mount | grep -c e2e-`)).stdout).toBe('host\nmaster\n2\n');
  // A volume that is mounted now has all that the node has, whatever its propagation.
  const after = await node.runPod({ name: 'after', ...volume(MountPropagation.PROPAGATION_PRIVATE) });
  expect(await seen(after)).toEqual(['host', 'master']);
  const readOnly = { containerPath: '/mnt/test', hostPath: dir, readonly: true };
  const writes = async (name: string, mount: object) => (await (await node.runPod({ name, ...sleeps, mounts: [{ ...readOnly, ...mount }] })).sh('touch /mnt/test/x; touch /mnt/test/host/x')).stderr.split('\n').filter(Boolean).length;
  expect([await writes('ro', {}), await writes('rro', { recursiveReadOnly: true })]).toEqual([1, 2]);

  expect(await pods['slave']?.sh('umount /mnt/test/master')).toMatchObject({ code: 0 });
  expect(await seen(pods['master'] as TestPod)).toEqual(['host', 'master']);
  expect(await onNode(`umount ${dir}/host`)).toMatchObject({ code: 0 });
  expect([await seen(pods['master'] as TestPod), await seen(pods['slave'] as TestPod), await seen(after)]).toEqual([['master'], ['slave'], ['host', 'master']]);
  await node.component.stop();
});

test('mount and umount do what is asked for, for those who may', async () => {
  const node = await testNode();
  const pod = await node.runPod({ name: 'p', ...sleeps, linux: privileged });
  expect(await pod.sh('mkdir -p /a/in /b /c; echo x > /a/in/f; mount -t tmpfs -o size=10m,mode=700 t /a; stat -c %a /a; df -m /a | tail -1; ls /a; mkdir /a/in; mount -t tmpfs u /a/in; umount /a')).toEqual({ code: 1, stdout: '700\nt                           10         0        10   0% /a\n', stderr: "umount: can't unmount /a: Device or resource busy\n" });
  expect((await pod.sh('mount --rbind /a /b; echo y > /b/in/g; ls /a/in; mount --bind /a /c; ls -A /c/in; umount /b/in /b /c /a/in /a; cat /a/in/f; mountpoint /a; mountpoint -q /proc && mount -o remount,ro /proc')).stdout).toBe('g\nx\n/a is not a mountpoint\n');
  expect(await pod.sh('mount -t tmpfs t /none; mount -t nfs h:/x /b; mount /a /b; umount /b; mount /b')).toEqual({
    code: 1,
    stdout: '',
    stderr: "mount: mounting t on /none failed: No such file or directory\nmount: mounting h:/x on /b failed: No such device\nmount: mounting /a on /b failed: Block device required\numount: can't unmount /b: Invalid argument\nmount: can't find /b in /etc/fstab\n",
  });
  const plain = await node.runPod({ name: 'plain', ...sleeps });
  expect(await plain.sh('mount -t tmpfs t /mnt')).toMatchObject({ code: 1, stderr: 'mount: permission denied (are you root?)\n' });
  const helper = await node.runPod({ name: 'helper', ...sleeps, linux: privileged, sandbox: { linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.NODE } } } } });
  expect((await helper.sh('nsenter -t 1 -m -- sh -c "mkdir -p /srv/made; cat /proc/1/comm"; nsenter -t 4242 -m true')).stdout).toBe('init\n');
  expect(node.volumes.lookup('/srv/made')).toBeDefined();
  await node.component.stop();
});
