import { expect, test } from 'vitest';
import { testNode } from '../testing/test-node.ts';

test('chroot and nsenter run programs among the files of the machine that is mounted', async () => {
  const node = await testNode();
  const mounts = [{ containerPath: '/host', hostPath: '/', readonly: false }];
  const pod = await node.runPod({ name: 'debug', image: 'busybox', command: ['sleep', '3600'], mounts, linux: { securityContext: { privileged: true } } });
  expect((await pod.sh('mkdir -p /host/etc; echo node-1 > /host/etc/hostname; chroot /host cat /etc/hostname; chroot /host sh -c "cd /etc; pwd; ls; echo x > /made 2> /dev/null"; cat /host/made')).stdout).toBe('node-1\n/etc\nhostname\nx\n');
  expect((await pod.sh('nsenter --mount=/host/proc/1/ns/mnt -- sh -c "mkdir -p /tmp/local && cat /etc/hostname && ls /"; ls -d /host/tmp/local')).stdout).toBe('node-1\ndev\netc\nmade\nproc\nsys\ntmp\n/host/tmp/local\n');
  expect(await pod.sh('chroot /none true')).toMatchObject({ code: 1, stderr: "chroot: can't change root directory to '/none': No such file or directory\n" });
  expect(await pod.sh('chroot /host no-such-program')).toMatchObject({ code: 127 });
  expect(await pod.sh('nsenter --mount=/nowhere true')).toMatchObject({ code: 1, stderr: 'nsenter: cannot open /nowhere: No such file or directory\n' });
  const user = await node.runPod({ name: 'user', image: 'busybox', command: ['sleep', '3600'], mounts, linux: { securityContext: { runAsUser: { value: 1000n } } } });
  expect(await user.sh('chroot /host true')).toMatchObject({ code: 1, stderr: "chroot: can't change root directory to '/host': Operation not permitted\n" });
  expect(await user.sh('nsenter --mount=/host/proc/1/ns/mnt true')).toMatchObject({ code: 1, stderr: "nsenter: reassociate to namespace 'ns/mnt' failed: Operation not permitted\n" });
  await node.component.stop();
});
