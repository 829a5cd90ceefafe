import { Events, Pods, ResourceClaimTemplates, ResourceClaims } from '@orrery/api';
import type { Pod, ResourceClaim } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { startManager } from '../testing/manager-harness.ts';
import { claimFromTemplate, planClaim } from './plan.ts';

const only = { controllers: ['resourceclaim-controller'] };
const spec = { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu' } }] } };
const pod = (name: string, more: Partial<NonNullable<Pod['spec']>> = {}): Pod => ({ metadata: { name, namespace: 'a' }, spec: { containers: [], resourceClaims: [{ name: 'device', resourceClaimTemplateName: 'template' }], ...more } });
const template = { metadata: { name: 'template', namespace: 'a' }, spec: { metadata: { labels: { l: 'v' } }, spec } };
const allocation = { devices: { results: [] } };

test('a pod gets the claim of its template, once it is there; the claim goes when the pod is done', async () => {
  const h = await startManager(only);
  await h.api.create(Pods, pod('p'));
  await h.clock.advance(1_000);
  expect(h.api.objects(Events)[0]).toMatchObject({ reason: 'FailedResourceClaimCreation', message: 'PodResourceClaim device: resource claim template "template": resourceclaimtemplate.resource.k8s.io "template" not found' });
  await h.api.create(ResourceClaimTemplates, template);
  await h.clock.advance(1_000);
  const [claim] = h.api.objects(ResourceClaims);
  expect(claim).toMatchObject({ metadata: { generateName: 'p-device-', labels: { l: 'v' }, annotations: { 'resource.kubernetes.io/pod-claim-name': 'device' }, ownerReferences: [{ kind: 'Pod', name: 'p', controller: true }] }, spec });
  expect(h.api.find(Pods, 'p', 'a')?.status?.resourceClaimStatuses).toEqual([{ name: 'device', resourceClaimName: claim?.metadata?.name }]);
  expect(h.api.objects(ResourceClaims)).toHaveLength(1);
  h.api.setStatus(Pods, { namespace: 'a', name: 'p' }, { phase: 'Succeeded' });
  await h.clock.advance(1_000);
  expect(h.api.objects(ResourceClaims)).toEqual([]);
});

test('a pod that was bound by hand gets its reservation; the allocation ends with the last consumer', async () => {
  const h = await startManager(only);
  h.api.seed(ResourceClaims, { metadata: { name: 'shared', namespace: 'a', finalizers: ['resource.kubernetes.io/delete-protection'] }, spec, status: { allocation } });
  const claims = [{ name: 'device', resourceClaimName: 'shared' }];
  h.api.seed(Pods, pod('one', { nodeName: 'n', resourceClaims: claims }), pod('two', { nodeName: 'n', resourceClaims: claims }));
  const shown = () => h.api.find(ResourceClaims, 'shared', 'a');
  await h.clock.advance(1_000);
  expect(shown()?.status?.reservedFor?.map(({ name }) => name)).toEqual(['one', 'two']);
  await h.api.delete(Pods, { namespace: 'a', name: 'one' }, { gracePeriodSeconds: 0 });
  await h.clock.advance(1_000);
  expect(shown()?.status).toMatchObject({ allocation, reservedFor: [{ name: 'two' }] });
  h.api.setStatus(Pods, { namespace: 'a', name: 'two' }, { phase: 'Failed' });
  await h.clock.advance(1_000);
  expect([shown()?.status, shown()?.metadata?.finalizers]).toEqual([{}, []]);
});

test('a claim that is deleted unused loses its allocation and finalizer; a long name keeps both its parts', () => {
  const claim: ResourceClaim = { metadata: { name: 'c', deletionTimestamp: 'x', finalizers: ['resource.kubernetes.io/delete-protection'] }, spec, status: { allocation } };
  expect(planClaim(claim, { valid: [], ownerPod: undefined })).toEqual({ status: {}, removeFinalizer: true, delete: false });
  expect(planClaim({ ...claim, metadata: { name: 'c' } }, { valid: [], ownerPod: undefined })).toEqual({ status: undefined, removeFinalizer: false, delete: false });
  const made = claimFromTemplate({ ...pod('x'), metadata: { name: 'p'.repeat(60), namespace: 'a' } }, { name: 'c'.repeat(20) }, template);
  expect(made.metadata?.generateName).toMatch(/^p{41}-c{13}$/);
});
