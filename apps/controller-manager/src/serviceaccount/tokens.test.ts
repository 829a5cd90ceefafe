import { generateKeyPairSync } from 'node:crypto';
import { ConfigMaps, Secrets, ServiceAccounts } from '@orrery/api';
import type { Secret } from '@orrery/api/types';
import { decodeJwt, importSPKI, jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { startManager } from '../testing/manager-harness.ts';
import { plan } from './legacy-token-cleaner.ts';
import { secretTokenSigner } from './token-signer.ts';

const pair = generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } });
const tokenSecret = (name: string, annotations: Record<string, string> = { 'kubernetes.io/service-account.name': 'robot' }): Secret => ({ metadata: { name, namespace: 'a', annotations }, type: 'kubernetes.io/service-account-token' });
const decode = (text: string | undefined): string => Buffer.from(text ?? '', 'base64').toString();

test('a Secret for a token is filled, and goes with its account', async () => {
  const h = await startManager({ controllers: ['serviceaccount-token-controller'] }, { tokenSigner: secretTokenSigner(pair.privateKey), rootCaPem: 'CA' });
  const account = await h.api.create(ServiceAccounts, { metadata: { name: 'robot', namespace: 'a' }, secrets: [{ name: 'mine' }, { name: 'else' }] });
  await h.api.create(Secrets, tokenSecret('mine'));
  await h.api.create(Secrets, { metadata: { name: 'else', namespace: 'a' }, type: 'Opaque' });
  await h.api.create(Secrets, tokenSecret('stranger', { 'kubernetes.io/service-account.name': 'robot', 'kubernetes.io/service-account.uid': 'before' }));
  // Signing takes real time, on another thread.
  await expect.poll(async () => (await h.clock.advance(100), h.api.find(Secrets, 'mine', 'a')?.data?.['token'])).toBeTruthy();
  const filled = h.api.find(Secrets, 'mine', 'a');
  expect([decode(filled?.data?.['ca.crt']), decode(filled?.data?.['namespace']), filled?.metadata?.annotations?.['kubernetes.io/service-account.uid']]).toEqual(['CA', 'a', account.metadata?.uid]);
  const token = decode(filled?.data?.['token']);
  await jwtVerify(token, await importSPKI(pair.publicKey, 'RS256'));
  expect(decodeJwt(token)).toEqual({
    iss: 'kubernetes/serviceaccount',
    'kubernetes.io/serviceaccount/namespace': 'a',
    'kubernetes.io/serviceaccount/secret.name': 'mine',
    'kubernetes.io/serviceaccount/service-account.name': 'robot',
    'kubernetes.io/serviceaccount/service-account.uid': account.metadata?.uid,
    sub: 'system:serviceaccount:a:robot',
  });
  expect(h.api.find(Secrets, 'stranger', 'a')).toBeUndefined();
  await h.api.delete(Secrets, { namespace: 'a', name: 'mine' });
  await h.clock.advance(100);
  expect(h.api.find(ServiceAccounts, 'robot', 'a')?.secrets).toEqual([{ name: 'else' }]);
  await h.api.create(Secrets, tokenSecret('second'));
  await h.clock.advance(100);
  await h.api.delete(ServiceAccounts, { namespace: 'a', name: 'robot' });
  await expect.poll(async () => (await h.clock.advance(100), h.api.objects(Secrets).map((secret) => secret.metadata?.name))).toEqual(['else']);
});

test('tokens that were made by themselves are marked after a year unused, and deleted after another', async () => {
  const year = 365 * 86_400_000;
  const nowMs = Date.UTC(2026, 0, 1);
  const secret = (name: string, labels: Record<string, string>, creationTimestamp = '2020-01-01T00:00:00Z'): Secret => ({ metadata: { name, labels, creationTimestamp } });
  const secrets = [
    secret('unused', {}),
    secret('used', { 'kubernetes.io/legacy-token-last-used': '2025-06-01' }),
    secret('young', {}, '2025-12-01T00:00:00Z'),
    secret('mounted', {}),
    secret('marked', { 'kubernetes.io/legacy-token-invalid-since': '2025-03-01' }),
    secret('long-marked', { 'kubernetes.io/legacy-token-last-used': '2022-01-01', 'kubernetes.io/legacy-token-invalid-since': '2024-03-01' }),
  ];
  const observed = { secrets, mounted: (s: Secret) => s.metadata?.name === 'mounted', trackedSince: '2024-01-01', periodMs: year };
  const names = (list: readonly Secret[]) => list.map((s) => s.metadata?.name);
  const planned = plan(observed, nowMs);
  expect([names(planned.invalidate), names(planned.remove)]).toEqual([['unused'], ['long-marked']]);
  expect(plan({ ...observed, trackedSince: '2025-01-01' }, nowMs)).toMatchObject({ invalidate: [], remove: [] });
  const h = await startManager({ controllers: ['legacy-serviceaccount-token-cleaner-controller'], legacyServiceAccountTokenCleanUpPeriod: '24h' });
  const [robot] = h.api.seed(ServiceAccounts, { metadata: { name: 'robot', namespace: 'a' }, secrets: [{ name: 'auto' }] });
  h.api.seed(ConfigMaps, { metadata: { name: 'kube-apiserver-legacy-service-account-token-tracking', namespace: 'kube-system' }, data: { since: '2020-01-01' } });
  h.api.seed(Secrets, tokenSecret('auto'), tokenSecret('by-hand'));
  expect(robot).toBeDefined();
  await h.clock.advance(3 * 86_400_000);
  expect(h.api.objects(Secrets).map((s) => [s.metadata?.name, s.metadata?.labels?.['kubernetes.io/legacy-token-invalid-since']])).toEqual([['auto', '2026-01-03'], ['by-hand', undefined]]);
  await h.clock.advance(2 * 86_400_000);
  expect(names(h.api.objects(Secrets))).toEqual(['by-hand']);
});
