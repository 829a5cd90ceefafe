import { Namespaces, ResourceClaims, allKinds } from '@orrery/api';
import { expect, it } from 'vitest';
import { type Attempt, FakeCluster, attempt } from '../testing/fake-cluster.ts';
import { deviceAdminAccess } from './device-admin-access.ts';

const message = 'Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace';

async function outcome(write: Attempt, labels: Record<string, string> = {}): Promise<string> {
  const cluster = new FakeCluster();
  cluster.put(Namespaces, { metadata: { name: 'default', labels } });
  const plugin = deviceAdminAccess(cluster);
  const attributes = attempt(write);
  if (!plugin.handles(attributes)) return 'not asked';
  return Promise.resolve(plugin.validate?.(attributes)).then(() => 'allowed', (error: Error) => error.message);
}

const metadata = { name: 'c', namespace: 'default' };
const asks = { name: 'gpu', exactly: { deviceClassName: 'gpu', adminAccess: true } };
const claim = (request: object): Attempt => ({ resource: 'resourceclaims', group: 'resource.k8s.io', object: { metadata, spec: { devices: { requests: [request] } } } });
const allocated = (adminAccess: boolean): object => ({ metadata, status: { allocation: { devices: { results: [{ request: 'gpu', driver: 'd', pool: 'p', device: 'x', adminAccess }] } } } });

it('asks the namespace', async () => {
  expect(await outcome(claim({ name: 'gpu', exactly: { deviceClassName: 'gpu' } }))).toBe('allowed');
  expect(await outcome(claim(asks), { 'resource.kubernetes.io/admin-access': 'true' })).toBe('allowed');
  expect(await outcome(claim(asks))).toBe(`ResourceClaim.resource.k8s.io "c" is invalid: spec.devices.requests[0].adminAccess: ${message}`);
  const template: Attempt = { resource: 'resourceclaimtemplates', group: 'resource.k8s.io', object: { metadata, spec: { spec: { devices: { requests: [asks] } } } } };
  expect(await outcome(template)).toBe(`ResourceClaimTemplate.resource.k8s.io "c" is invalid: spec.devices.requests[0].adminAccess: ${message}`);
});

it('asks for what is allocated, once', async () => {
  const status = (oldObject: object): Attempt => ({ resource: 'resourceclaims', group: 'resource.k8s.io', subresource: 'status', operation: 'UPDATE', object: allocated(true), oldObject });
  expect(await outcome(status(allocated(false)))).toBe(`ResourceClaim.resource.k8s.io "c" is invalid: status.allocation.devices.results[0].adminAccess: ${message}`);
  expect(await outcome(status(allocated(true)))).toBe('allowed');
});

it('reads earlier versions', async () => {
  const kind = allKinds.find((one) => one.resource === ResourceClaims.resource && one.version === 'v1beta1');
  const cluster = new FakeCluster();
  const attributes = { ...attempt(claim(asks)), kind: kind as never, object: { metadata, spec: { devices: { requests: [{ name: 'gpu', deviceClassName: 'gpu', adminAccess: true }] } } } };
  await expect(deviceAdminAccess(cluster).validate?.(attributes)).rejects.toThrow(message);
});
