import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Kubectl, type TestCluster, eventually } from '@orrery/testkit';
import { expect } from 'vitest';

const example = join(dirname(fileURLToPath(import.meta.url)), '../examples/stateful');
const ns = ['-n', 'stateful'];

/** Where the provisioner's volumes lie on this machine: by name. */
function directories({ dataDir }: TestCluster): string[] {
  const nodes = join(dataDir, 'nodes');
  return readdirSync(nodes).flatMap((node) => {
    const volumes = join(nodes, node, 'var/lib/orrery/volumes');
    return existsSync(volumes) ? readdirSync(volumes) : [];
  });
}

async function apply(kubectl: Kubectl, manifest: object): Promise<void> {
  await kubectl.ok(['apply', '-f', '-'], { input: JSON.stringify(manifest) });
}

async function untilSays(kubectl: Kubectl, args: readonly string[], expected: string | RegExp): Promise<void> {
  let said = '';
  await eventually(
    async () => {
      said = await kubectl.ok(args);
      return typeof expected === 'string' ? said === expected : expected.test(said);
    },
    { what: `kubectl ${args.join(' ')} says ${String(expected)}`, withinMs: 60_000, everyMs: 250 },
  ).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}; it says ${said}`);
  });
}

const redis = (kubectl: Kubectl, i: number, ...words: string[]): Promise<string> => kubectl.ok(['exec', `redis-${i}`, ...ns, '--', 'redis-cli', ...words]);
const rolledOut = (kubectl: Kubectl): Promise<string> => kubectl.ok(['rollout', 'status', 'statefulset/redis', '--timeout=90s', ...ns]);

/** Three replicas, each with data of its own. */
export async function statefulSet(kubectl: Kubectl): Promise<void> {
  expect(await kubectl.ok(['get', 'storageclass'])).toMatch(/standard \(default\)\s+orrery\.dev\/local\s+Delete\s+WaitForFirstConsumer\s+true/);
  await kubectl.ok(['apply', '-f', example]);
  await rolledOut(kubectl);
  for (const i of [0, 1, 2]) expect(await redis(kubectl, i, 'set', 'me', `redis-${i}`)).toBe('OK\n');
  const claims = await kubectl.ok(['get', 'pvc', ...ns]);
  for (const i of [0, 1, 2]) expect(claims).toMatch(new RegExp(`data-redis-${i}\\s+Bound\\s+pvc-\\S+\\s+1Gi\\s+RWO\\s+standard`));
  const described = await kubectl.ok(['describe', 'pvc', 'data-redis-0', ...ns]);
  expect(described).toMatch(/Normal\s+WaitForFirstConsumer\s.*persistentvolume-controller\s+waiting for first consumer to be created before binding/);
  expect(described).toMatch(/Normal\s+ProvisioningSucceeded\s.*Successfully provisioned volume pvc-/);
  expect(described).toMatch(/Used By:\s+redis-0/);
}

/** Pods go, their data stay; so when the set shrinks and grows. */
export async function dataOutlivesPods(kubectl: Kubectl): Promise<void> {
  const node = await kubectl.ok(['get', 'pod', 'redis-1', ...ns, '-o', 'jsonpath={.spec.nodeName}']);
  await kubectl.ok(['delete', 'pod', 'redis-1', ...ns]);
  await untilSays(kubectl, ['get', 'pod', 'redis-1', ...ns, '--ignore-not-found', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status} {.spec.nodeName}'], `True ${node}`);
  expect(await redis(kubectl, 1, 'get', 'me')).toBe('redis-1\n');
  await kubectl.ok(['scale', 'statefulset/redis', '--replicas=1', ...ns]);
  await untilSays(kubectl, ['get', 'pods', ...ns, '-o', 'jsonpath={.items[*].metadata.name}'], 'redis-0');
  await kubectl.ok(['scale', 'statefulset/redis', '--replicas=3', ...ns]);
  await rolledOut(kubectl);
  for (const i of [0, 1, 2]) expect(await redis(kubectl, i, 'get', 'me')).toBe(`redis-${i}\n`);
}

/** After `kill -9` of everything: what was written is there, and can be written on. */
export async function dataOutlivesTheCluster(kubectl: Kubectl): Promise<void> {
  await eventually(async () => expect(await redis(kubectl, 2, 'get', 'me')).toBe('redis-2\n'), { what: 'the data is back', withinMs: 120_000, everyMs: 250 });
  await rolledOut(kubectl);
  for (const i of [0, 1, 2]) expect(await redis(kubectl, i, 'get', 'me')).toBe(`redis-${i}\n`);
  expect(await redis(kubectl, 0, 'append', 'me', '!')).toBe('8\n');
}

export async function resize(kubectl: Kubectl): Promise<void> {
  await kubectl.ok(['patch', 'pvc', 'data-redis-0', ...ns, '-p', '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}']);
  await untilSays(kubectl, ['get', 'pvc', 'data-redis-0', ...ns, '-o', 'jsonpath={.status.capacity.storage}{.status.conditions}'], '2Gi');
  await untilSays(kubectl, ['describe', 'pvc', 'data-redis-0', ...ns], /Normal\s+VolumeResizeSuccessful\s.*Resize volume succeeded/);
  const { code, stderr } = await kubectl.run(['patch', 'pvc', 'data-redis-0', ...ns, '-p', '{"spec":{"resources":{"requests":{"storage":"1Gi"}}}}']);
  expect([code, stderr]).toEqual([1, expect.stringContaining('field can not be less than status.capacity')]);
}

/** A claim in use is kept until its pod is gone; then it goes, and its volume and data with it. */
export async function protection(cluster: TestCluster, kubectl: Kubectl): Promise<void> {
  await kubectl.ok(['delete', 'pvc', 'data-redis-2', '--wait=false', ...ns]);
  expect(await kubectl.ok(['get', 'pvc', 'data-redis-2', ...ns])).toMatch(/data-redis-2\s+Terminating/);
  expect(await redis(kubectl, 2, 'get', 'me')).toBe('redis-2\n');
  await kubectl.ok(['scale', 'statefulset/redis', '--replicas=2', ...ns]);
  await untilSays(kubectl, ['get', 'pvc', ...ns, '-o', 'jsonpath={.items[*].metadata.name}'], 'data-redis-0 data-redis-1');
  await untilSays(kubectl, ['get', 'pv', '-o', 'jsonpath={.items[*].spec.claimRef.name}'], /^(data-redis-[01] ?){2}$/);
  await eventually(() => directories(cluster).length === 2, { what: 'the data of the deleted claim is gone' });
  await untilSays(kubectl, ['get', 'pods', '-n', 'kube-system', '-l', 'orrery.dev/volume', '-o', 'name'], '');
}

/** What a StatefulSet does with claims when it shrinks and when it goes. */
export async function retention(kubectl: Kubectl): Promise<void> {
  const container = { name: 'c', image: 'busybox', command: ['sleep', '100000'], volumeMounts: [{ name: 'd', mountPath: '/d' }] };
  await apply(kubectl, {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'short', namespace: 'stateful' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'short' } },
      persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete', whenDeleted: 'Delete' },
      template: { metadata: { labels: { app: 'short' } }, spec: { terminationGracePeriodSeconds: 0, containers: [container] } },
      volumeClaimTemplates: [{ metadata: { name: 'd' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } } }],
    },
  });
  const claims = ['get', 'pvc', '-l', 'app=short', ...ns, '-o', 'jsonpath={.items[*].metadata.name}'];
  await kubectl.ok(['rollout', 'status', 'statefulset/short', '--timeout=90s', ...ns]);
  expect(await kubectl.ok(claims)).toBe('d-short-0 d-short-1');
  await kubectl.ok(['scale', 'statefulset/short', '--replicas=1', ...ns]);
  await untilSays(kubectl, claims, 'd-short-0');
  await kubectl.ok(['delete', 'statefulset', 'short', ...ns]);
  await untilSays(kubectl, claims, '');
}

const fixedVolume = (path: string) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name: 'fixed' },
  spec: { capacity: { storage: '3Gi' }, accessModes: ['ReadWriteOnce'], storageClassName: '', persistentVolumeReclaimPolicy: 'Retain', hostPath: { path }, claimRef: { namespace: 'stateful', name: 'fixed' } },
});

/** A volume made by hand for one claim: bound to it alone, released when it goes, and kept. */
export async function handMade(kubectl: Kubectl): Promise<void> {
  const claim = (name: string) => ({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name, namespace: 'stateful' }, spec: { accessModes: ['ReadWriteOnce'], storageClassName: '', resources: { requests: { storage: '1Gi' } } } });
  await apply(kubectl, fixedVolume('/srv/fixed'));
  await apply(kubectl, claim('stranger'));
  await untilSays(kubectl, ['describe', 'pvc', 'stranger', ...ns], /Normal\s+FailedBinding\s.*no persistent volumes available for this claim and no storage class is set/);
  await apply(kubectl, claim('fixed'));
  await untilSays(kubectl, ['get', 'pvc', ...ns, '-o', 'jsonpath={.items[?(@.metadata.name=="fixed")].status.phase} {.items[?(@.metadata.name=="stranger")].status.phase}'], 'Bound Pending');
  const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'fixed' } }, { name: 'e', ephemeral: { volumeClaimTemplate: { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } } } } }];
  const script = 'echo kept > /v/file; mkdir -p /v/sub; echo below > /v/sub/file; echo here > /e/file; sleep 100000';
  const mounts = [{ name: 'v', mountPath: '/v' }, { name: 'e', mountPath: '/e' }];
  await apply(kubectl, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'writer', namespace: 'stateful' }, spec: { terminationGracePeriodSeconds: 0, nodeSelector: { 'kubernetes.io/hostname': 'node-1' }, volumes, containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', script], volumeMounts: mounts }] } });
  await kubectl.ok(['wait', '--for=condition=Ready', 'pod/writer', '--timeout=90s', ...ns]);
  await untilSays(kubectl, ['exec', 'writer', ...ns, '--', 'cat', '/e/file'], 'here\n');
  expect(await kubectl.ok(['get', 'pvc', 'writer-e', ...ns, '-o', 'jsonpath={.metadata.ownerReferences[0].name} {.status.phase}'])).toBe('writer Bound');
  await kubectl.ok(['delete', 'pod', 'writer', ...ns]);
  await untilSays(kubectl, ['get', 'pvc', 'writer-e', ...ns, '--ignore-not-found', '-o', 'name'], '');
  const reader = { name: 'c', image: 'busybox', command: ['sh', '-c', 'cat /v/file /s/file; echo x > /v/file'], volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: true }, { name: 'v', mountPath: '/s', subPath: 'sub' }] };
  await apply(kubectl, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'reader', namespace: 'stateful' }, spec: { restartPolicy: 'Never', nodeSelector: { 'kubernetes.io/hostname': 'node-1' }, volumes: volumes.slice(0, 1), containers: [reader] } });
  await untilSays(kubectl, ['get', 'pod', 'reader', ...ns, '-o', 'jsonpath={.status.phase}'], 'Failed');
  expect(await kubectl.ok(['logs', 'reader', ...ns])).toMatch(/^kept\nbelow\n.*Read-only file system/);
  await kubectl.ok(['delete', 'pod/reader', 'pvc/fixed', ...ns]);
  await untilSays(kubectl, ['get', 'pv', 'fixed', '-o', 'jsonpath={.status.phase} {.spec.claimRef.name}'], 'Released fixed');
  await kubectl.ok(['patch', 'pv', 'fixed', '--type=merge', '-p', '{"spec":{"claimRef":null}}']);
  await untilSays(kubectl, ['get', 'pvc', 'stranger', ...ns, '-o', 'jsonpath={.status.phase} {.spec.volumeName}'], 'Bound fixed');
}

/** The namespace goes with all claims, and then nothing is left but what is kept. */
export async function everythingGoes(cluster: TestCluster, kubectl: Kubectl): Promise<void> {
  await kubectl.ok(['delete', 'namespace', 'stateful', '--timeout=90s']);
  await untilSays(kubectl, ['get', 'pv', '-o', 'jsonpath={.items[*].metadata.name}'], 'fixed');
  await eventually(() => directories(cluster).length === 0, { what: 'no data is left' });
  await kubectl.ok(['delete', 'pv', 'fixed', '--timeout=90s']);
}
