import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { beforeEach, describe, expect, it } from 'vitest';
import { webhookTokens } from './webhook-token.ts';

let clock: VirtualClock;
let asked: any[];
let answer: () => Promise<Record<string, unknown>>;

beforeEach(() => {
  clock = new VirtualClock();
  asked = [];
  answer = () => Promise.resolve({ status: { authenticated: true, user: { username: 'jane', uid: 'u', groups: ['devs'], extra: { scopes: ['a'] } } } });
});

const tokens = (version = 'v1') =>
  webhookTokens({
    env: { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() },
    version,
    ttlMs: 60_000,
    apiAudiences: ['api'],
    post: (body) => {
      asked.push(body);
      return answer();
    },
  });

describe('tokens of a webhook', () => {
  it('are asked once, then remembered for a while', async () => {
    const kind = tokens();
    const identity = { user: { username: 'jane', uid: 'u', groups: ['devs', 'system:authenticated'], extra: { scopes: ['a'] } }, audiences: ['api'] };
    expect(await kind.identify('t', { audiences: ['api', 'x'] })).toEqual(identity);
    expect(await kind.identify('t', { audiences: ['api', 'x'] })).toEqual(identity);
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token: 't', audiences: ['api', 'x'] } });
    await clock.advance(61_000);
    await kind.identify('t', { audiences: ['api', 'x'] });
    await kind.identify('t', { audiences: ['x'] });
    expect(asked).toHaveLength(3);
  });

  it('count only for the audiences the webhook names', async () => {
    answer = () => Promise.resolve({ status: { authenticated: true, audiences: ['vault'], user: { username: 'jane' } } });
    expect(await tokens().identify('t', { audiences: ['api'] })).toBeUndefined();
    expect((await tokens().identify('t', { audiences: ['vault'] }))?.audiences).toEqual(['vault']);
  });

  it('that it refuses or does not know are refused', async () => {
    answer = () => Promise.resolve({ status: { authenticated: false, error: 'revoked' } });
    await expect(tokens().identify('t', { audiences: ['api'] })).rejects.toThrow('revoked');
    answer = () => Promise.resolve({ status: {} });
    expect(await tokens().identify('t', { audiences: ['api'] })).toBeUndefined();
    answer = () => Promise.reject(new Error('connection refused'));
    await expect(tokens().identify('t', { audiences: ['api'] })).rejects.toThrow('connection refused');
  });

  it('speaks v1 and v1beta1 only', async () => {
    await tokens('v1beta1').identify('t', { audiences: ['api'] });
    expect(asked[0].apiVersion).toBe('authentication.k8s.io/v1beta1');
    expect(() => tokens('v2')).toThrow('unsupported authentication webhook version "v2"');
  });
});
