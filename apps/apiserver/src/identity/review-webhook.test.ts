import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { type JsonServer, jsonServer } from '../testing/json-server.ts';
import { reviewWebhook } from './review-webhook.ts';

const clock = new VirtualClock();
const env = { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
const folder = mkdtempSync(join(tmpdir(), 'review-webhook-'));
let server: JsonServer | undefined;
afterEach(async () => {
  await server?.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a webhook that answers reviews', () => {
  it('is reached by its kubeconfig, and asked again when it fails for the moment', async () => {
    let failures = 2;
    server = await jsonServer(({ body, authorization }) => (failures-- > 0 ? { status: 500, body: {} } : { body: { echo: JSON.parse(body), authorization } }));
    writeFileSync(join(folder, 'config'), server.kubeconfig);
    const post = reviewWebhook(env, { kubeconfig: join(folder, 'config') });
    const pending = post({ a: 1 });
    await vi.waitFor(() => expect(server?.requests).toHaveLength(1), { timeout: 30_000 });
    await vi.waitFor(async () => {
      await clock.advance(1000);
      expect(server?.requests).toHaveLength(3);
    }, { timeout: 30_000 });
    expect(await pending).toEqual({ echo: { a: 1 }, authorization: 'Bearer secret' });
    expect(server.requests[0]).toBe('POST /review?x=1');
  });

  it.each([
    [{ status: 401, body: {} }, 'the server has asked for the client to provide credentials'],
    [{ status: 403, body: { kind: 'Status', status: 'Failure', code: 403, message: 'not you' } }, 'not you'],
  ])('says in client-go\'s words why it does not answer: %j', async (answer, message) => {
    server = await jsonServer(() => answer);
    writeFileSync(join(folder, 'config'), server.kubeconfig);
    await expect(reviewWebhook(env, { kubeconfig: join(folder, 'config') })({})).rejects.toThrow(message);
  });
});
