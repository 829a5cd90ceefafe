import { ConfigMaps, Pods, Secrets, ServiceAccounts } from '@orrery/api';
import type { TokenRequest } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { isRecursivelyReadOnly } from './container-mounts.ts';

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString();

/** A container that mounts these volumes. */
const uses = (...names: string[]) => container('user', { volumeMounts: names.map((name) => ({ name, mountPath: `/${name}` })) });

test('config maps, secrets and the downward API become files and follow changes', async () => {
  const f = fixture();
  f.api.seed(ConfigMaps, { metadata: { name: 'cm', namespace: 'default' }, data: { a: '1', b: '2' } });
  f.api.seed(Secrets, { metadata: { name: 's', namespace: 'default' }, data: { key: Buffer.from('secret').toString('base64') } });
  await f.kubelet.start();
  await f.create('p', {
    containers: [container('app', { volumeMounts: [{ name: 'conf', mountPath: '/conf' }, { name: 'conf', mountPath: '/one', subPath: 'a' }, { name: 'scratch', mountPath: '/tmp' }] }), uses('sec', 'info')],
    volumes: [
      { name: 'conf', configMap: { name: 'cm' } },
      { name: 'sec', secret: { secretName: 's', defaultMode: 0o400, items: [{ key: 'key', path: 'dir/k' }] } },
      { name: 'info', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
      { name: 'scratch', emptyDir: {} },
    ],
  });
  await f.clock.advance(0);
  const root = `/var/lib/kubelet/pods/${f.pod('p').metadata?.uid}/volumes`;
  expect(text(await f.host.readFile(`${root}/kubernetes.io~configmap/conf/a`))).toBe('1');
  expect(text(await f.host.readFile(`${root}/kubernetes.io~secret/sec/dir/k`))).toBe('secret');
  expect(f.host.find(`${root}/kubernetes.io~secret/sec/dir/k`)).toMatchObject({ node: { mode: 0o400 }, tmpfs: {} });
  expect(text(await f.host.readFile(`${root}/kubernetes.io~downward-api/info/labels`))).toBe('app="p"');
  const mounts = [...f.cri.containers.values()][0]?.config.mounts?.map(({ containerPath, readonly }) => [containerPath, readonly]);
  expect(mounts).toEqual([['/conf', true], ['/one', true], ['/tmp', false], ['/etc/hosts', false], ['/dev/termination-log', false]]);
  await f.api.patch(ConfigMaps, { namespace: 'default', name: 'cm' }, { data: { a: 'changed', b: null } }, { type: 'application/merge-patch+json' });
  await f.api.patch(Pods, { namespace: 'default', name: 'p' }, { metadata: { labels: { more: 'x' } } }, { type: 'application/merge-patch+json' });
  await f.clock.advance(0);
  expect(text(await f.host.readFile(`${root}/kubernetes.io~configmap/conf/a`))).toBe('changed');
  expect(await f.host.kind(`${root}/kubernetes.io~configmap/conf/b`)).toBeUndefined();
  expect(text(await f.host.readFile(`${root}/kubernetes.io~downward-api/info/labels`))).toBe('app="p"\nmore="x"');
});

test('a pod waits for its config map, and starts as soon as it comes', async () => {
  const f = fixture();
  await f.kubelet.start();
  await f.create('p', { containers: [uses('conf')], volumes: [{ name: 'conf', configMap: { name: 'late' } }] });
  await f.clock.advance(1_000);
  expect(f.pod('p').status).toMatchObject({ phase: 'Pending', containerStatuses: [{ state: { waiting: { reason: 'ContainerCreating' } } }] });
  expect(f.events()).toContain('FailedMount: MountVolume.SetUp failed for volume "conf" : configmap "late" not found');
  await f.api.create(ConfigMaps, { metadata: { name: 'late', namespace: 'default' }, data: {} });
  await f.clock.advance(10);
  expect(f.pod('p').status?.phase).toBe('Running');
});

test('CreateContainerConfigError until the secret of a variable is there', async () => {
  const f = fixture();
  await f.kubelet.start();
  await f.create('p', { containers: [container('app', { env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] })] });
  await f.clock.advance(500);
  expect(f.pod('p').status?.containerStatuses?.[0]?.state?.waiting).toEqual({ reason: 'CreateContainerConfigError', message: 'secret "s" not found' });
  await f.api.create(Secrets, { metadata: { name: 's', namespace: 'default' }, data: { k: Buffer.from('v').toString('base64') } });
  await f.clock.advance(10);
  expect(f.pod('p').status?.phase).toBe('Running');
  expect([...f.cri.containers.values()][0]?.config.envs).toContainEqual({ key: 'X', value: 'v' });
});

test('service account tokens are requested, bound to the pod, and renewed in time', async () => {
  const f = fixture();
  let issued = 0;
  const asked: unknown[] = [];
  f.api.createSubresource = async <R>(_resource: unknown, key: unknown, subresource: string, body: unknown): Promise<R> => {
    asked.push([key, subresource, (body as TokenRequest).spec]);
    const status = { token: `token-${++issued}`, expirationTimestamp: rfc3339(f.clock.now() + 3_607_000) };
    return { ...(body as object), status } as R;
  };
  f.kubelet = f.again();
  f.api.seed(ServiceAccounts, { metadata: { name: 'robot', namespace: 'default' } });
  f.api.seed(ConfigMaps, { metadata: { name: 'kube-root-ca.crt', namespace: 'default' }, data: { 'ca.crt': 'CA' } });
  await f.kubelet.start();
  await f.create('p', {
    serviceAccountName: 'robot',
    containers: [uses('kube-api-access')],
    volumes: [{ name: 'kube-api-access', projected: { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3607 } }, { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } }, { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } }] } }],
  });
  await f.clock.advance(0);
  const uid = f.pod('p').metadata?.uid;
  const dir = `/var/lib/kubelet/pods/${uid}/volumes/kubernetes.io~projected/kube-api-access`;
  const read = async (name: string) => text(await f.host.readFile(`${dir}/${name}`));
  expect([await read('token'), await read('ca.crt'), await read('namespace')]).toEqual(['token-1', 'CA', 'default']);
  expect(asked[0]).toEqual([{ namespace: 'default', name: 'robot' }, 'token', { audiences: [], expirationSeconds: 3607, boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p', uid } }]);
  await f.clock.advance(40 * 60_000);
  expect(await read('token')).toBe('token-1');
  await f.clock.advance(15 * 60_000);
  expect(await read('token')).toBe('token-2');
});

test('volumes belong to the group of the pod, those in memory are file systems in memory', async () => {
  const f = fixture();
  f.api.seed(ConfigMaps, { metadata: { name: 'cm', namespace: 'default' }, data: { a: '1' } });
  f.api.seed(Secrets, { metadata: { name: 's', namespace: 'default' }, data: { k: '' } });
  await f.kubelet.start();
  await f.create('p', {
    securityContext: { runAsUser: 1000, fsGroup: 2000 },
    containers: [container('app', { volumeMounts: [{ name: 'scratch', mountPath: '/x', subPath: 'deep/er' }, { name: 'conf', mountPath: '/a', subPath: 'a' }] }), uses('sec', 'memory')],
    volumes: [
      { name: 'conf', configMap: { name: 'cm', defaultMode: 0o400 } },
      { name: 'sec', secret: { secretName: 's', defaultMode: 0o440 } },
      { name: 'scratch', emptyDir: {} },
      { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    ],
  });
  await f.clock.advance(0);
  const root = `/var/lib/kubelet/pods/${f.pod('p').metadata?.uid}/volumes/kubernetes.io~`;
  expect(f.host.find(`${root}configmap/conf/a`)).toMatchObject({ node: { mode: 0o440, gid: 2000 }, tmpfs: undefined });
  expect(f.host.find(`${root}configmap/conf`)?.node).toMatchObject({ mode: 0o2777, gid: 2000 });
  expect(f.host.find(`${root}secret/sec`)).toMatchObject({ node: { mode: 0o3777, gid: 2000 }, tmpfs: {} });
  expect(f.host.find(`${root}empty-dir/scratch/deep/er`)?.node).toMatchObject({ mode: 0o2777, gid: 2000 });
  expect(f.host.find(`${root}empty-dir/memory`)).toMatchObject({ node: { mode: 0o2777, gid: 2000 }, tmpfs: { sizeBytes: 1024 ** 2 } });
  const mounted = [...f.cri.containers.values()][0]?.config.mounts?.find(({ containerPath }) => containerPath === '/a')?.hostPath;
  expect(mounted).toMatch(new RegExp(`^${root}configmap/conf/\\.\\.[\\d_]+\\.\\d+/a$`));
});

test('a sub-path that a link leads out of its volume is refused', async () => {
  const f = fixture();
  await f.kubelet.start();
  await f.host.makeDir('/var/lib/kubelet/others/secret', 0o755);
  await f.host.makeDir('/srv/vol', 0o755);
  f.host.ensureDirectory('/srv/vol').entries.set('out', { kind: 'symlink', target: '/var/lib/kubelet/others', mtimeMs: 0 });
  await f.create('p', { containers: [container('app', { volumeMounts: [{ name: 'v', mountPath: '/x', subPath: 'out/secret' }] })], volumes: [{ name: 'v', hostPath: { path: '/srv/vol', type: 'Directory' } }] });
  await f.clock.advance(500);
  expect(f.pod('p').status?.containerStatuses?.[0]?.state?.waiting).toEqual({ reason: 'CreateContainerConfigError', message: 'failed to prepare subPath for volumeMount "v" of container "app"' });
  f.host.ensureDirectory('/srv/vol').entries.set('none', { kind: 'symlink', target: '/bin/notanexistingpath', mtimeMs: 0 });
  await f.create('q', { containers: [container('app', { volumeMounts: [{ name: 'v', mountPath: '/x', subPath: 'none' }] })], volumes: [{ name: 'v', hostPath: { path: '/srv/vol', type: 'Directory' } }] });
  await f.clock.advance(500);
  expect(f.pod('q').status?.containerStatuses?.[0]?.state?.waiting).toEqual({ reason: 'CreateContainerConfigError', message: 'failed to create subPath directory for volumeMount "v" of container "app"' });
});

test('hostPath volumes are checked for their type', async () => {
  const f = fixture();
  await f.kubelet.start();
  for (const [type, complaint] of [['File', 'file'], ['Socket', 'socket file'], ['CharDevice', 'character device'], ['BlockDevice', 'block device'], ['Directory', 'directory']]) {
    await f.create(`p-${type?.toLowerCase()}`, { containers: [uses('v')], volumes: [{ name: 'v', hostPath: { path: '/none', type: type ?? '' } }] });
    await f.clock.advance(0);
    expect(f.events()).toContain(`FailedMount: MountVolume.SetUp failed for volume "v" : hostPath type check failed: /none is not a ${complaint}`);
  }
});

test('a sub-path made of a variable without a value waits for one', async () => {
  const f = fixture();
  await f.kubelet.start();
  const env = [{ name: 'DIR', valueFrom: { fieldRef: { fieldPath: "metadata.annotations['mysubpath']" } } }];
  await f.create('p', { containers: [container('app', { env, volumeMounts: [{ name: 'v', mountPath: '/x', subPathExpr: '$(DIR)' }] })], volumes: [{ name: 'v', emptyDir: {} }] });
  await f.clock.advance(500);
  expect(f.pod('p').status?.containerStatuses?.[0]?.state?.waiting).toEqual({ reason: 'CreateContainerConfigError', message: 'missing value for DIR' });
  await f.api.patch(Pods, { namespace: 'default', name: 'p' }, { metadata: { annotations: { mysubpath: 'here' } } }, { type: 'application/merge-patch+json' });
  await f.clock.advance(100);
  expect(f.pod('p').status?.phase).toBe('Running');
  expect([...f.cri.containers.values()][0]?.config.mounts?.[0]?.hostPath).toMatch(/empty-dir\/v\/here$/);
});

test('recursively read-only: where the runtime can, and nothing is to be mounted through', () => {
  const mount = { name: 'v', mountPath: '/v', readOnly: true };
  expect([isRecursivelyReadOnly(mount, true), isRecursivelyReadOnly({ ...mount, recursiveReadOnly: 'IfPossible' }, false), isRecursivelyReadOnly({ ...mount, recursiveReadOnly: 'IfPossible' }, true), isRecursivelyReadOnly({ ...mount, recursiveReadOnly: 'Enabled' }, true)]).toEqual([false, false, true, true]);
  expect(() => isRecursivelyReadOnly({ ...mount, recursiveReadOnly: 'Enabled' }, false)).toThrow('failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but it is not supported by the runtime');
  expect(() => isRecursivelyReadOnly({ ...mount, mountPropagation: 'HostToContainer', recursiveReadOnly: 'IfPossible' }, true)).toThrow('is not compatible with propagation "HostToContainer"');
});
