import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { admitSysctls } from './sysctls.ts';

const pod = (names: readonly string[], spec: object = {}) => ({ spec: { containers: [], securityContext: { sysctls: names.map((name) => ({ name, value: '1' })) }, ...spec } });

test.each<[readonly string[], object, readonly string[], string | undefined]>([
  [['kernel.shm_rmid_forced', 'net.ipv4.tcp_syncookies', 'net/ipv4/ip_local_port_range'], {}, [], undefined],
  [['kernel.msgmax'], {}, [], '"kernel.msgmax" not allowlisted'],
  [['kernel/msgmax'], {}, [], '"kernel.msgmax" not allowlisted'],
  [['kernel.msgmax', 'net.core.somaxconn'], {}, ['kernel.msg*', 'net.core.somaxconn'], undefined],
  [['net.ipv4.tcp_syncookies'], { hostNetwork: true }, [], '"net.ipv4.tcp_syncookies" not allowed with host net enabled'],
  [['kernel.shm_rmid_forced'], { hostIPC: true }, [], '"kernel.shm_rmid_forced" not allowed with host ipc enabled'],
])('sysctls %j of %j', (names, spec, unsafe, problem) => {
  expect(admitSysctls(pod(names, spec), unsafe)).toEqual(problem && { reason: 'SysctlForbidden', message: `Pod was rejected: forbidden sysctl: ${problem}` });
});

test('a pod with an unsafe sysctl fails, and says why', async () => {
  const f = fixture();
  await f.kubelet.start();
  await f.create('p', { containers: [container('app')], securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } });
  await f.clock.advance(0);
  expect(f.pod('p').status).toMatchObject({ phase: 'Failed', reason: 'SysctlForbidden', message: 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted' });
  expect(f.events()).toContain('SysctlForbidden: forbidden sysctl: "kernel.msgmax" not allowlisted');
});
