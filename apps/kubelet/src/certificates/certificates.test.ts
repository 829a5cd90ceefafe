import { CertificateSigningRequests } from '@orrery/api';
import type { CertificateSigningRequest } from '@orrery/api/types';
import { createFakeApi } from '@orrery/client/testing';
import type { CertificateStore, StoredCertificate } from '@orrery/node-io';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { CertificateManager, rotationMs } from './certificate-manager.ts';

const hour = 3_600_000;

/** A manager over a fake API server whose certificates say `until MS`. */
function fixture(stored?: StoredCertificate) {
  const clock = new VirtualClock({ drain: () => new Promise((resolve) => setImmediate(resolve)) });
  const random = seededRandom(3);
  const env = { clock, random, log: silentLogger, metrics: createMetrics() };
  const api = createFakeApi({ clock, random });
  let saved = stored;
  const store: CertificateStore = {
    path: '/pki/current.pem',
    load: () => saved,
    save: (pair, nowMs) => (saved = { ...pair, notBeforeMs: nowMs, notAfterMs: Number(pair.cert.split(' ')[1]) }),
  };
  const changes: string[] = [];
  let drafts = 0;
  const manager = new CertificateManager(env, { api: () => api, store, signerName: 'kubernetes.io/kube-apiserver-client-kubelet', usages: ['digital signature', 'client auth'], draft: () => ({ key: `key ${++drafts}`, request: 'request' }), changed: ({ cert }) => changes.push(cert) });
  const requests = () => api.objects(CertificateSigningRequests) as CertificateSigningRequest[];
  const answer = (status: CertificateSigningRequest['status']) => api.patch(CertificateSigningRequests, { name: requests().at(-1)?.metadata?.name ?? '' }, { status }, { type: 'application/merge-patch+json', subresource: 'status' });
  const issue = (untilMs: number) => answer({ certificate: Buffer.from(`until ${untilMs}`).toString('base64') });
  return { clock, manager, requests, answer, issue, changes };
}

test('a certificate is asked for, waited for and kept; a refusal is asked anew', async () => {
  const f = fixture();
  const obtained = f.manager.obtain();
  await f.clock.advance(3_000);
  expect(f.requests()).toHaveLength(1);
  expect(f.requests()[0]?.spec).toEqual({ request: Buffer.from('request').toString('base64'), signerName: 'kubernetes.io/kube-apiserver-client-kubelet', usages: ['digital signature', 'client auth'] });
  await f.answer({ conditions: [{ type: 'Denied', status: 'True', reason: 'No' }] });
  await f.clock.advance(5_000);
  expect(f.requests()).toHaveLength(2);
  const untilMs = f.clock.now() + 10 * hour;
  await f.issue(untilMs);
  await f.clock.advance(2_000);
  expect(await obtained).toMatchObject({ cert: `until ${untilMs}`, key: 'key 2', notAfterMs: untilMs });
  f.manager.stop();
});

test('one that holds is used as it is, and renewed after most of its life', async () => {
  const startMs = new VirtualClock().now();
  const f = fixture({ cert: 'old', key: 'k', notBeforeMs: startMs, notAfterMs: startMs + 100 * hour });
  expect((await f.manager.obtain()).cert).toBe('old');
  f.manager.start();
  /** Hours until the next request. */
  const asked = async (count: number): Promise<number> => {
    const beganMs = f.clock.now();
    while (f.requests().length < count && f.clock.now() - beganMs < 200 * hour) await f.clock.advance(hour / 6);
    return (f.clock.now() - beganMs) / hour;
  };
  const first = await asked(1);
  expect([first > 69, first < 91]).toEqual([true, true]);
  const untilMs = f.clock.now() + 50 * hour;
  await f.issue(untilMs);
  await f.clock.advance(2_000);
  expect(f.changes).toEqual([`until ${untilMs}`]);
  const second = await asked(2);
  expect([second > 34, second < 46]).toEqual([true, true]);
  f.manager.stop();
  await f.clock.advance(2_000);
  expect(f.clock.pending).toBe(0);
});

test('the time of renewal lies between 70 and 90 per cent', () => {
  expect([0, 0.5, 1].map((chance) => rotationMs({ notBeforeMs: 100, notAfterMs: 1100 }, chance))).toEqual([800, 900, 1000]);
});
