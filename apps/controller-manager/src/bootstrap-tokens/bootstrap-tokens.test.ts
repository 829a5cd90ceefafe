import { createHmac } from 'node:crypto';
import { ConfigMaps, Secrets } from '@orrery/api';
import type { Secret } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { startManager } from '../testing/manager-harness.ts';

const token = (id: string, more: Record<string, string> = {}): Secret => {
  const fields = { 'token-id': id, 'token-secret': 'abcdefghijklmnop', 'usage-bootstrap-signing': 'true', ...more };
  return { metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' }, type: 'bootstrap.kubernetes.io/token', data: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, Buffer.from(value).toString('base64')])) };
};

test('cluster-info is signed by every token that may, and by none that ended', async () => {
  const h = await startManager({ controllers: ['bootstrap-signer-controller'] });
  const seen = () => h.api.find(ConfigMaps, 'cluster-info', 'kube-public')?.data ?? {};
  h.api.seed(Secrets, token('aaaaaa'), token('ended1', { expiration: '2020-01-01T00:00:00Z' }), token('quiet1', { 'usage-bootstrap-signing': 'false' }));
  h.api.seed(ConfigMaps, { metadata: { name: 'cluster-info', namespace: 'kube-public' }, data: { kubeconfig: 'content', 'jws-kubeconfig-gone01': 'x' } });
  await expect.poll(async () => (await h.clock.advance(50), Object.keys(seen()))).toEqual(['kubeconfig', 'jws-kubeconfig-aaaaaa']);
  const [header, , signature] = (seen()['jws-kubeconfig-aaaaaa'] ?? '').split('.');
  expect(JSON.parse(Buffer.from(header ?? '', 'base64url').toString())).toEqual({ alg: 'HS256', kid: 'aaaaaa' });
  expect(signature).toBe(createHmac('sha256', 'abcdefghijklmnop').update(`${header}.${Buffer.from('content').toString('base64url')}`).digest('base64url'));
});

test('tokens that have ended are deleted, others when their time comes; neither controller runs by default', async () => {
  const h = await startManager({ controllers: ['*', 'token-cleaner-controller'] });
  h.api.seed(Secrets, token('aaaaaa'), token('ended1', { expiration: '2020-01-01T00:00:00Z' }), token('later1', { expiration: '2026-01-01T01:00:00Z' }), token('broken', { expiration: 'soon' }));
  h.api.seed(ConfigMaps, { metadata: { name: 'cluster-info', namespace: 'kube-public' }, data: { kubeconfig: 'content' } });
  const names = () => h.api.objects(Secrets).map((secret) => secret.metadata?.name);
  await h.clock.advance(1_000);
  expect(names()).toEqual(['bootstrap-token-aaaaaa', 'bootstrap-token-later1']);
  await h.clock.advance(3_600_000);
  expect(names()).toEqual(['bootstrap-token-aaaaaa']);
  expect(h.api.find(ConfigMaps, 'cluster-info', 'kube-public')?.data).toEqual({ kubeconfig: 'content' });
});
