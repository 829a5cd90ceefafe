import type { Kubectl } from '@orrery/testkit';
import { expect } from 'vitest';
import { agnhost, apply, busybox, exec, ipOf, outputOf, pod, ready, script, tester, untilLogs, untilPod } from './conformance-pods.ts';

const terminated = '{.status.containerStatuses[0].state.terminated';

/** How containers end, and what they leave. */
export async function endings(kubectl: Kubectl): Promise<void> {
  const counting = 'f=/count/n; count=$(echo hello >> $f; wc -l $f | awk {\'print $1\'}); if [ $count -eq 1 ]; then exit 1; fi; if [ $count -eq 2 ]; then exit 0; fi; while true; do sleep 1; done';
  await apply(
    kubectl,
    pod('message', [{ ...script('/bin/echo -n DONE > /dev/termination-custom-log'), terminationMessagePath: '/dev/termination-custom-log', securityContext: { runAsUser: 10_000 } }]),
    pod('message-log', [{ ...script('/bin/echo -n DONE; /bin/false'), terminationMessagePolicy: 'FallbackToLogsOnError' }]),
    pod('message-ok', [{ ...script('/bin/echo -n DONE'), terminationMessagePolicy: 'FallbackToLogsOnError' }]),
    pod('counted', [{ ...script(counting), volumeMounts: [{ name: 'n', mountPath: '/count' }] }], { restartPolicy: 'OnFailure', volumes: [{ name: 'n', emptyDir: {} }] }),
    pod('oom', [{ ...script('dd if=/dev/zero of=/dev/null bs=20M'), resources: { limits: { memory: '15Mi' } } }]),
    pod('deadline', [{ image: 'registry.k8s.io/pause:3.10' }], { activeDeadlineSeconds: 1, restartPolicy: 'Always' }),
    pod('init', [script('true')], { initContainers: [{ name: 'one', ...script('true') }, { name: 'two', ...script('false') }] }),
    pod('no-image', [{ image: 'invalid.registry.k8s.io/invalid/alpine:3.1' }]),
    pod('no-login', [{ image: 'gcr.io/authenticated-image-pulling/alpine:3.7' }]),
    pod('sysctl', [{ image: busybox, command: ['/bin/sysctl', 'kernel.shm_rmid_forced'] }], { securityContext: { sysctls: [{ name: 'kernel.shm_rmid_forced', value: '1' }] } }),
    pod('no-command', [{ image: busybox, command: ['/bin/no-such-thing'] }]),
    pod('image-volume', [{ ...script('ls -d /image/etc && ! touch /image/x'), volumeMounts: [{ name: 'i', mountPath: '/image' }] }], { volumes: [{ name: 'i', image: { reference: agnhost, pullPolicy: 'IfNotPresent' } }] }),
    pod('anew', [script('sleep 600'), { ...script('sleep 1; exit 42'), restartPolicy: 'Never', restartPolicyRules: [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }] }], { initContainers: [{ name: 'i', ...script('true') }] }),
    pod('sysctl-no', [script('true')], { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }),
  );
  await untilPod(kubectl, 'message', { path: `${terminated}.message}`, value: 'DONE' });
  await untilPod(kubectl, 'message-log', { path: `${terminated}.message} {.status.phase}`, value: 'DONE Failed' });
  await untilPod(kubectl, 'message-ok', { path: `${terminated}.message}{.status.phase}`, value: 'Succeeded' });
  await untilPod(kubectl, 'counted', { path: '{.status.phase} {.status.containerStatuses[0].restartCount}', value: 'Succeeded 1' });
  await untilPod(kubectl, 'oom', { path: `${terminated}.reason} ${terminated}.exitCode}`, value: 'OOMKilled 137' });
  await untilPod(kubectl, 'deadline', { path: '{.status.phase} {.status.reason}', value: 'Failed DeadlineExceeded' });
  await untilPod(kubectl, 'init', { path: '{.status.phase} {.status.initContainerStatuses[*].state.terminated.exitCode} {.status.conditions[?(@.type=="Initialized")].reason} {.status.containerStatuses[0].state.waiting.reason}', value: 'Failed 0 1 ContainersNotInitialized PodInitializing' });
  await untilPod(kubectl, 'no-image', { path: '{.status.containerStatuses[0].state.waiting.reason}', value: /^(?:ErrImagePull|ImagePullBackOff)$/ });
  await untilPod(kubectl, 'no-login', { path: '{.status.containerStatuses[0].state.waiting.message}', value: /403 Forbidden$/ });
  expect(await outputOf(kubectl, 'sysctl')).toBe('kernel.shm_rmid_forced = 1\n');
  await untilPod(kubectl, 'no-command', { path: `{.status.phase} ${terminated}.reason} ${terminated}.exitCode}`, value: 'Failed StartError 128' });
  expect(await outputOf(kubectl, 'image-volume')).toMatch(/^\/image\/etc$/m);
  await untilPod(kubectl, 'anew', { path: '{.status.phase} {.status.initContainerStatuses[0].restartCount} {.status.containerStatuses[0].lastState.terminated.reason}', value: /^Running [1-9]\d* RestartingAllContainers$/ });
  await kubectl.ok(['delete', 'pod', 'anew', '--wait=false']);
  await untilPod(kubectl, 'sysctl-no', { path: '{.status.phase} {.status.reason}', value: 'Failed SysctlForbidden' });
}

/** Who containers are and what they may. */
export async function security(kubectl: Kubectl): Promise<void> {
  const nonewprivs = 'registry.k8s.io/e2e-test-images/nonewprivs:1.3';
  await apply(
    kubectl,
    pod('user', [{ ...script('test $(id -u) -eq 65534'), securityContext: { runAsUser: 65_534 } }]),
    pod('read-only', [{ image: busybox, command: ['/bin/sh', '-c', 'echo test > /file'], securityContext: { readOnlyRootFilesystem: true } }]),
    pod('no-escalation', [{ image: nonewprivs, securityContext: { allowPrivilegeEscalation: false, runAsUser: 1000 } }]),
    pod('escalation', [{ image: nonewprivs, securityContext: { runAsUser: 1000 } }]),
    pod('unprivileged', [script('ip link add dummy0 type dummy || true')]),
    pod('entrypoint', [{ image: agnhost, command: ['/agnhost-2', 'entrypoint-tester', 'override', 'arguments'] }]),
    pod('expand', [{ ...script('TEST_VAR=wrong echo "$(TEST_VAR)"; printenv BOTH'), env: [{ name: 'TEST_VAR', value: 'test-value' }, { name: 'BOTH', value: '$(TEST_VAR);;$$(TEST_VAR)' }] }]),
    pod('aliases', [script('cat /etc/hosts')], { hostAliases: [{ ip: '123.45.67.89', hostnames: ['foo', 'bar'] }] }),
    pod('users', [script('cat /proc/self/uid_map')], { hostUsers: false }),
    pod('node-processes', [script('pidof kubelet > /dev/null && ps | grep -c "[/]sbin/init"')], { hostPID: true }),
    pod('whole', [script('head -n 1 /sys/fs/cgroup/cpu.max; cat /sys/fs/cgroup/memory.max')], { resources: { limits: { cpu: '200m', memory: '64Mi' } } }),
    pod('root-refused', [{ ...script('true'), securityContext: { runAsNonRoot: true } }]),
  );
  await outputOf(kubectl, 'user');
  await untilPod(kubectl, 'read-only', { path: '{.status.phase}', value: 'Failed' });
  expect(await kubectl.ok(['logs', 'read-only'])).toBe("/bin/sh: can't create /file: Read-only file system\n");
  expect([await outputOf(kubectl, 'no-escalation'), await outputOf(kubectl, 'escalation')]).toEqual(['Effective uid: 1000\n', 'Effective uid: 0\n']);
  expect(await outputOf(kubectl, 'unprivileged')).toContain('Operation not permitted');
  expect(await outputOf(kubectl, 'entrypoint')).toBe('[/agnhost-2 entrypoint-tester override arguments]\n');
  expect(await outputOf(kubectl, 'expand')).toBe('test-value\ntest-value;;$(TEST_VAR)\n');
  expect(await outputOf(kubectl, 'aliases')).toMatch(/# Kubernetes-managed hosts file\.\n[^]*123\.45\.67\.89\tfoo\tbar\n/);
  expect(await outputOf(kubectl, 'users')).toMatch(/^ +0 +[1-9]\d* +65536\n$/);
  expect(await outputOf(kubectl, 'node-processes')).toBe('1\n');
  expect(await outputOf(kubectl, 'whole')).toBe('20000 100000\n67108864\n');
  await untilPod(kubectl, 'root-refused', { path: '{.status.containerStatuses[0].state.waiting.reason}', value: 'CreateContainerConfigError' });
}

const probe = (action: object, more: object = {}) => ({ ...action, periodSeconds: 1, initialDelaySeconds: 1, failureThreshold: 1, ...more });

/** Probes, hooks and the order of things. */
export async function lifecycle(kubectl: Kubectl): Promise<void> {
  const tls = ['--tls-cert-file', '/localhost.crt', '--tls-private-key-file', '/localhost.key'];
  await apply(
    kubectl,
    pod('handler', [tester('netexec'), tester('netexec', '--http-port', '9090', '--udp-port', '9091', ...tls), tester('nettest', '--port', '7070')], { restartPolicy: 'Always' }),
    pod('healthy', [{ ...tester('grpc-health-checking', '--port', '2333'), livenessProbe: probe({ grpc: { port: 2333 } }) }], { restartPolicy: 'Always' }),
    pod('sick', [{ ...tester('grpc-health-checking', '--port', '2333'), livenessProbe: probe({ grpc: { port: 2334 } }) }], { restartPolicy: 'Always' }),
    pod('file-gone', [{ ...script('echo ok > /tmp/health; sleep 2; rm -f /tmp/health; sleep 600'), livenessProbe: probe({ exec: { command: ['cat', '/tmp/health'] } }) }], { restartPolicy: 'Always' }),
    pod('sidecar', [script('sleep 1')], { initContainers: [{ name: 's', ...script('trap "exit 0" TERM; sleep 600 & wait'), restartPolicy: 'Always', startupProbe: { exec: { command: ['true'] }, periodSeconds: 1 } }] }),
  );
  await ready(kubectl, 'handler', 'healthy');
  const ip = await ipOf(kubectl, 'handler');
  const preStop = `curl http://${ip}:8080/echo?msg=prestop; wget -O- --post-data='{"Source": "prestop"}' http://${ip}:7070/write`;
  await apply(kubectl, pod('hooked', [{ ...tester('pause'), lifecycle: { postStart: { httpGet: { scheme: 'HTTPS', host: ip, port: 9090, path: '/echo?msg=poststart' } }, preStop: { exec: { command: ['sh', '-c', preStop] } } } }], { terminationGracePeriodSeconds: 30 }));
  await ready(kubectl, 'hooked');
  await untilLogs(kubectl, 'handler', { container: 'd', text: 'GET /echo?msg=poststart' });
  await kubectl.ok(['delete', 'pod', 'hooked']);
  await untilLogs(kubectl, 'handler', { text: 'GET /echo?msg=prestop' });
  expect(JSON.parse(await kubectl.ok(['get', '--raw', '/api/v1/namespaces/default/pods/handler:7070/proxy/read']))).toMatchObject({ Received: { prestop: 1 } });
  for (const name of ['sick', 'file-gone']) await untilPod(kubectl, name, { path: '{.status.containerStatuses[0].restartCount}', value: /^[1-9]/ });
  await untilPod(kubectl, 'healthy', { path: '{.status.containerStatuses[0].restartCount}', value: '0' });
  await untilPod(kubectl, 'sidecar', { path: '{.status.phase} {.status.initContainerStatuses[0].state.terminated.exitCode}', value: 'Succeeded 0' });
}

/** More and less for a running container. */
export async function resize(kubectl: Kubectl): Promise<void> {
  const amounts = (cpu: string, memory: string) => ({ requests: { cpu, memory }, limits: { cpu, memory } });
  const patch = (cpu: string) => JSON.stringify({ spec: { containers: [{ name: 'c', resources: amounts(cpu, '64Mi') }] } });
  await apply(kubectl, pod('resized', [{ ...script('sleep 600'), resources: amounts('100m', '64Mi') }], { restartPolicy: 'Always' }));
  await ready(kubectl, 'resized');
  expect(await exec(kubectl, 'resized', 'mount -t cgroup2 | wc -l; cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max')).toBe('1\n10000 100000\n67108864\n');
  await kubectl.ok(['patch', 'pod', 'resized', '--subresource=resize', '-p', patch('200m')]);
  await untilPod(kubectl, 'resized', { path: '{.status.containerStatuses[0].resources.limits.cpu} {.status.containerStatuses[0].restartCount}', value: '200m 0' });
  expect(await exec(kubectl, 'resized', 'head -n 1 /sys/fs/cgroup/cpu.max')).toBe('20000 100000\n');
  await kubectl.ok(['patch', 'pod', 'resized', '--subresource=resize', '-p', patch('1000')]);
  await untilPod(kubectl, 'resized', { path: '{.status.conditions[?(@.type=="PodResizePending")].reason} {.status.containerStatuses[0].resources.limits.cpu}', value: 'Infeasible 200m' });
}
