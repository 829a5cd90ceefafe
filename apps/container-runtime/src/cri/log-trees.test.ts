import { expect, test } from 'vitest';
import { testNode } from '../testing/test-node.ts';

test('a collector of logs finds those of all containers below /var/log', async () => {
  const node = await testNode();
  const busy = await node.runPod({ name: 'web', image: 'busybox', command: ['sh', '-c', 'echo one; echo two >&2; sleep 3600'], sandbox: { logDirectory: '/var/log/pods/shop_web_uid-web' } });
  const collector = await node.runPod({ name: 'collector', image: 'busybox', command: ['sleep', '3600'], mounts: [{ containerPath: '/var/log', hostPath: '/var/log', readonly: true }], sandbox: { logDirectory: '/var/log/pods/kube-system_collector_uid-c' } });
  const link = `web_shop_main-${busy.container}.log`;
  expect((await collector.sh('cd /var/log; ls; ls pods pods/shop_web_uid-web; ls containers | wc -l; cut -d" " -f2- containers/web_*.log; readlink containers/web_*; ls -l pods/shop_web_uid-web/main | cut -c1-10')).stdout).toBe(
    `containers\npods\npods:\nkube-system_collector_uid-c\nshop_web_uid-web\n\npods/shop_web_uid-web:\nmain\n2\nstdout F one\nstderr F two\n/var/log/pods/shop_web_uid-web/main/0.log\ntotal 4\n-rw-r-----\n`,
  );
  expect((await collector.sh('ls /var/log/containers')).stdout).toContain(link);
  expect(await collector.sh('rm -r /var/log/pods/shop_web_uid-web')).toMatchObject({ code: 1, stderr: expect.stringContaining('Read-only file system') });
  await node.logs.remove('/var/log/pods/shop_web_uid-web');
  expect((await collector.sh('ls /var/log/pods /var/log/containers')).stdout).not.toContain('web');
  await node.component.stop();
});
