import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { structuredAuthentication } from '../authentication/jwt/index.ts';
import { authorizationPlugin } from '../authorization/index.ts';
import { apiServerSchema } from '../config.ts';
import type { Decision, PluginContext } from '../pipeline/index.ts';
import { FakeCluster, allowNothing } from '../testing/fake-cluster.ts';
import { followFile } from './followed-file.ts';

let folder = '';
let clock: VirtualClock;
let stop: AbortController;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'followed-'));
  clock = new VirtualClock();
  stop = new AbortController();
});
afterEach(() => {
  stop.abort();
  rmSync(folder, { recursive: true, force: true });
});

const env = () => ({ clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() });
const header = (kind: string): string => `apiVersion: apiserver.config.k8s.io/v1\nkind: ${kind}\n`;

describe('a configuration file', () => {
  it('is handed on when it changes, and kept when it is bad or gone', async () => {
    const path = join(folder, 'f');
    writeFileSync(path, 'a');
    const applied: string[] = [];
    const apply = (text: string): void => {
      if (text === 'bad') throw new Error('bad');
      applied.push(text);
    };
    followFile(env(), { path, text: 'a', apply }, stop.signal);
    await clock.advance(20_000);
    writeFileSync(path, 'b');
    await clock.advance(5_000);
    writeFileSync(path, 'bad');
    await clock.advance(5_000);
    rmSync(path);
    await clock.advance(5_000);
    writeFileSync(path, 'c');
    await clock.advance(5_000);
    stop.abort();
    writeFileSync(path, 'd');
    await clock.advance(5_000);
    expect(applied).toEqual(['b', 'c']);
  });

  it('of authentication changes who may come', async () => {
    const path = join(folder, 'authentication');
    writeFileSync(path, `${header('AuthenticationConfiguration')}anonymous: {enabled: false}\n`);
    const structured = structuredAuthentication({ env: env(), config: resolveConfig(apiServerSchema, [{ authenticationConfig: path }]), apiAudiences: ['a'], disallowedIssuers: [] });
    structured.start(stop.signal);
    expect(structured.allowsAnonymous('/x')).toBe(false);
    writeFileSync(path, `${header('AuthenticationConfiguration')}anonymous: {enabled: true}\n`);
    await clock.advance(5_000);
    expect(structured.allowsAnonymous('/x')).toBe(true);
    writeFileSync(path, 'nonsense');
    await clock.advance(5_000);
    expect(structured.allowsAnonymous('/x')).toBe(true);
  });

  it('of authorization changes what is allowed', async () => {
    const path = join(folder, 'authorization');
    const file = (type: string): string => `${header('AuthorizationConfiguration')}authorizers: [{type: ${type}, name: one}]\n`;
    writeFileSync(path, file('AlwaysDeny'));
    const cluster = new FakeCluster();
    const context = { ...cluster, env: env(), config: resolveConfig(apiServerSchema, [{ authorizationConfig: path }]), authorize: allowNothing } as unknown as PluginContext;
    const set = authorizationPlugin(context);
    await set.start?.(stop.signal);
    const info = { isResource: true, path: '', verb: 'get', group: '', version: 'v1', resource: 'pods', subresource: '', namespace: '', name: '' };
    const decide = async (groups: string[]): Promise<Decision['decision'] | undefined> => {
      for (const authorizer of set.authorizers ?? []) {
        const { decision } = await authorizer.authorize({ user: { username: 'x', groups }, info });
        if (decision !== 'noOpinion') return decision;
      }
      return undefined;
    };
    expect(await decide([])).toBeUndefined();
    expect(await decide(['system:masters'])).toBe('allow');
    writeFileSync(path, file('AlwaysAllow'));
    await clock.advance(5_000);
    expect(await decide([])).toBe('allow');
  });
});
