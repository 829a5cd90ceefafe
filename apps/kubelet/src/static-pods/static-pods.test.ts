import { Nodes, Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { ManifestReader } from '@orrery/cri';
import { expect, test } from 'vitest';
import { fixture } from '../testing.ts';
import { decodeManifest } from './manifest.ts';

/** A directory in memory, watched. */
function directory(files: Record<string, string>): ManifestReader & { write(name: string, text: string | undefined): void } {
  const listeners = new Set<() => void>();
  return {
    list: async () => Object.entries(files).map(([name, text]) => ({ name, text })),
    watch: (_path, changed) => (listeners.add(changed), () => void listeners.delete(changed)),
    write(name, text) {
      if (text === undefined) delete files[name];
      else files[name] = text;
      for (const changed of [...listeners]) changed();
    },
  };
}

const manifest = (image: string, more = ''): string => `apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {tier: node}}\nspec: {containers: [{name: app, image: "${image}"}]${more}}\n`;
const context = { nodeName: 'node-1', place: '/m/web.yaml', source: 'file' as const, nowMs: 0 };

test('a manifest becomes a pod of the node, known by a hash of what it says', () => {
  const [pod] = decodeManifest(manifest('nginx'), context);
  expect(pod).toMatchObject({
    metadata: { name: 'web-node-1', namespace: 'default', labels: { tier: 'node' }, annotations: { 'kubernetes.io/config.source': 'file', 'kubernetes.io/config.seen': '1970-01-01T00:00:00.000000Z' } },
    spec: { nodeName: 'node-1', restartPolicy: 'Always', tolerations: [{ operator: 'Exists', effect: 'NoExecute' }], containers: [{ imagePullPolicy: 'Always', terminationMessagePath: '/dev/termination-log' }] },
  });
  expect(pod?.metadata?.uid).toMatch(/^[0-9a-f]{32}$/);
  expect(pod?.metadata?.annotations?.['kubernetes.io/config.hash']).toBe(pod?.metadata?.uid);
  const uid = (text: string, more = {}): string | undefined => decodeManifest(text, { ...context, ...more })[0]?.metadata?.uid;
  expect(uid(manifest('nginx'))).toBe(pod?.metadata?.uid);
  expect(new Set([pod?.metadata?.uid, uid(manifest('nginx:2')), uid(manifest('nginx'), { nodeName: 'other' })]).size).toBe(3);
});

test.each([
  ['kind: Pod\napiVersion: v2', 'invalid pod: no kind "Pod" in "Pod" of version "v2"'],
  ['apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}', 'invalid pod: [spec.containers: Required value]'],
  [manifest('a', ', volumes: [{name: v, secret: {secretName: s}}]'), 'invalid pod: static pods may not reference secrets'],
  [manifest('a', ', serviceAccountName: x'), 'invalid pod: static pods may not reference serviceaccounts'],
  ['a: [', /^yaml: line 1: /],
])('%j is refused', (text, message) => {
  expect(() => decodeManifest(text, context)).toThrow(typeof message === 'string' ? new Error(message) : message);
});

test('static pods run and are mirrored; mirrors come back, follow the manifest, and go with it', async () => {
  const files = directory({ 'web.yaml': manifest('nginx'), 'broken.yaml': 'kind: [' });
  const f = fixture({ config: { podManifestPath: '/etc/kubernetes/manifests' }, deps: { manifests: files } });
  const mirror = (): Pod | undefined => f.api.find(Pods, 'web-node-1', 'default');
  await f.kubelet.start();
  await f.clock.advance(1_000);
  const node = f.api.find(Nodes, 'node-1');
  const [running] = [...f.kubelet.pods.list()];
  const first = mirror();
  expect(first?.metadata).toMatchObject({ annotations: { 'kubernetes.io/config.mirror': running?.uid, 'kubernetes.io/config.source': 'file' }, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: node?.metadata?.uid, controller: true }] });
  expect(first?.metadata?.uid).not.toBe(running?.uid);
  expect(first?.status).toMatchObject({ phase: 'Running', containerStatuses: [{ name: 'app', ready: true }] });

  // Whoever deletes the mirror does not stop the pod.
  const [containerId] = [...f.cri.containers.keys()];
  await f.api.delete(Pods, { namespace: 'default', name: 'web-node-1' });
  await f.clock.advance(1_000);
  expect(mirror()?.metadata?.uid).not.toBe(first?.metadata?.uid);
  expect(mirror()?.metadata?.deletionTimestamp).toBeUndefined();
  expect(mirror()?.status?.phase).toBe('Running');
  expect([...f.cri.containers.keys()]).toEqual([containerId]);

  // Another manifest is another pod of the same name, which begins when the old one is gone.
  files.write('web.yaml', manifest('nginx:2'));
  await f.clock.advance(5_000);
  expect(mirror()?.spec?.containers[0]?.image).toBe('nginx:2');
  expect(mirror()?.status?.containerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 0 });
  expect([...f.kubelet.pods.list()]).toHaveLength(1);
  expect(f.cri.containers.size).toBe(1);

  files.write('web.yaml', undefined);
  await f.clock.advance(5_000);
  expect(mirror()).toBeUndefined();
  expect([f.cri.containers.size, f.cri.sandboxes.size]).toEqual([0, 0]);
  await f.kubelet.stop();
  expect(f.clock.pending).toBe(0);
});

test('a kubelet that starts again keeps its static pods and removes mirrors of those that are gone', async () => {
  const files = directory({ 'web.yaml': manifest('nginx'), 'old.yaml': manifest('old').replace('name: web', 'name: old') });
  const f = fixture({ config: { podManifestPath: '/m' }, deps: { manifests: files } });
  await f.kubelet.start();
  await f.clock.advance(1_000);
  const before = [...f.cri.containers.values()].filter(({ config }) => config.image?.image?.includes('nginx')).map(({ id }) => id);
  const uid = f.api.find(Pods, 'web-node-1', 'default')?.metadata?.uid;
  await f.kubelet.stop();
  files.write('old.yaml', undefined);
  const again = f.again();
  await again.start();
  await f.clock.advance(10_000);
  expect([...f.cri.containers.keys()]).toEqual(before);
  expect(f.api.find(Pods, 'web-node-1', 'default')).toMatchObject({ metadata: { uid }, status: { phase: 'Running' } });
  expect(f.api.find(Pods, 'old-node-1', 'default')).toBeUndefined();
  await again.stop();
});
