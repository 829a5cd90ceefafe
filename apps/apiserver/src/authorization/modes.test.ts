import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { beforeEach, describe, expect, it } from 'vitest';
import { type ApiServerConfig, apiServerSchema } from '../config.ts';
import { chainAuthorizers } from '../pipeline/access.ts';
import type { AuthorizationAttributes, Decision, RequestInfo, UserInfo } from '../pipeline/index.ts';
import { abacAuthorizer, parsePolicies } from './abac.ts';
import { alwaysDenyAuthorizer } from './always.ts';
import { compileCondition } from './match-conditions.ts';
import { authorizersOfFile, authorizersOfFlags } from './modes.ts';
import { joinRules } from './rule-resolver.ts';
import { type WebhookAuthorizerOptions, webhookAuthorizer } from './webhook.ts';

const clock = new VirtualClock();
const env = { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
const standing = { node: { ...alwaysDenyAuthorizer, name: 'Node' }, rbac: { ...alwaysDenyAuthorizer, name: 'RBAC' } };
const needs = (settings: Partial<ApiServerConfig> = {}) => ({ env, standing, config: resolveConfig(apiServerSchema, [settings]) });

const jane: UserInfo = { username: 'jane', uid: 'u', groups: ['devs', 'system:authenticated'] };
const info = (part: Partial<RequestInfo>): RequestInfo => ({ isResource: true, path: '', verb: 'get', group: '', version: 'v1', resource: 'pods', subresource: '', namespace: 'a', name: '', ...part });
const ask = (part: Partial<RequestInfo> = {}, more: Partial<AuthorizationAttributes> = {}): AuthorizationAttributes => ({ user: jane, info: info(part), ...more });

describe('--authorization-mode', () => {
  it('gives the authorizers in order', () => {
    expect(authorizersOfFlags(needs({ authorizationMode: 'RBAC,Node,AlwaysDeny' })).map(({ name }) => name)).toEqual(['RBAC', 'Node', 'AlwaysDeny']);
  });
  it.each<[Partial<ApiServerConfig>, string]>([
    [{ authorizationMode: 'RBAC,Magic' }, 'authorization-mode "Magic" is not a valid mode'],
    [{ authorizationMode: 'RBAC,RBAC' }, 'authorization-mode "RBAC" has mode specified more than once'],
    [{ authorizationMode: '' }, 'at least one authorization-mode must be passed'],
    [{ authorizationMode: 'ABAC' }, "authorization-mode ABAC's authorization policy file not passed"],
    [{ authorizationMode: 'Webhook' }, "authorization-mode Webhook's authorization config file not passed"],
    [{ authorizationPolicyFile: '/x' }, 'cannot specify --authorization-policy-file without mode ABAC'],
    [{ authorizationWebhookConfigFile: '/x' }, 'cannot specify --authorization-webhook-config-file without mode Webhook'],
  ])('refuses %j', (settings, message) => expect(() => authorizersOfFlags(needs(settings))).toThrow(message));
});

describe('ABAC', () => {
  const line = (spec: object): string => JSON.stringify({ apiVersion: 'abac.authorization.kubernetes.io/v1beta1', kind: 'Policy', spec });
  const abac = abacAuthorizer(
    parsePolicies(
      ['# comment', '', line({ user: 'jane', namespace: 'a', resource: 'pods', apiGroup: '*', readonly: true }), line({ group: 'ops', namespace: '*', resource: '*', apiGroup: '*', nonResourcePath: '/healthz/*' }), line({ user: '*', nonResourcePath: '/version' }), '{"user":"old"}'].join('\n'),
    ),
  );
  const decide = (user: UserInfo, part: Partial<RequestInfo>): string => (abac.authorize({ user, info: info(part) }) as Decision).decision;

  it('decides by user, group, namespace, resource and path', () => {
    expect(decide(jane, {})).toBe('allow');
    expect(decide(jane, { verb: 'create' })).toBe('noOpinion');
    expect(decide(jane, { namespace: 'b' })).toBe('noOpinion');
    expect(decide({ username: 'x', groups: ['ops'] }, { verb: 'delete', resource: 'secrets' })).toBe('allow');
    expect(decide({ username: 'x', groups: ['ops'] }, { isResource: false, path: '/healthz/etcd' })).toBe('allow');
    expect(decide(jane, { isResource: false, path: '/version' })).toBe('allow');
    expect(decide({ username: 'x', groups: [] }, { isResource: false, path: '/version' })).toBe('noOpinion');
    expect(decide({ username: 'old', groups: [] }, { verb: 'delete', namespace: 'z', resource: 'nodes' })).toBe('allow');
    expect(abac.authorize({ user: jane, info: info({ namespace: 'b' }) })).toEqual({ decision: 'noOpinion', reason: 'No policy matched.' });
  });
  it('lists what it allows', () => {
    expect(abac.rulesFor(jane, 'a')).toMatchObject({ resourceRules: [{ verbs: ['get', 'list', 'watch'], apiGroups: ['*'], resources: ['pods'] }], nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['/version'] }], incomplete: false });
  });
  it('names the line it cannot read', () => {
    expect(() => parsePolicies('{"user":"x"}\n{')).toThrow('error reading policy file: line 2: {');
    expect(() => parsePolicies('{"apiVersion":"v9","kind":"Policy"}')).toThrow('unrecognized object');
  });
});

describe('webhooks', () => {
  let asked: any[];
  let status: object | Error;
  beforeEach(() => {
    asked = [];
    status = { allowed: true };
  });
  const webhook = (options: Partial<WebhookAuthorizerOptions> = {}) =>
    webhookAuthorizer({
      env, name: 'w', version: 'v1', authorizedTtlMs: 60_000, unauthorizedTtlMs: 10_000, failurePolicy: 'NoOpinion', conditions: [],
      post: (body) => {
        asked.push(body);
        return status instanceof Error ? Promise.reject(status) : Promise.resolve({ status });
      },
      ...options,
    });

  it('are asked by SubjectAccessReview, with selectors', async () => {
    expect(await webhook().authorize(ask({ verb: 'list' }, { fieldSelector: 'spec.nodeName=n', labelSelector: 'a in (b,c)' }))).toEqual({ decision: 'allow', reason: '' });
    expect(asked[0]).toMatchObject({
      apiVersion: 'authorization.k8s.io/v1',
      spec: {
        user: 'jane', uid: 'u', groups: ['devs', 'system:authenticated'],
        resourceAttributes: {
          namespace: 'a', verb: 'list', version: 'v1', resource: 'pods',
          fieldSelector: { requirements: [{ key: 'spec.nodeName', operator: 'In', values: ['n'] }] },
          labelSelector: { requirements: [{ key: 'a', operator: 'In', values: ['b', 'c'] }] },
        },
      },
    });
    await webhook({ version: 'v1beta1' }).authorize(ask());
    expect(asked[1].spec).toMatchObject({ group: ['devs', 'system:authenticated'] });
    expect(asked[1].spec.groups).toBeUndefined();
  });

  it('decide, and are remembered by what they decided', async () => {
    const one = webhook();
    await one.authorize(ask());
    await clock.advance(30_000);
    await one.authorize(ask());
    expect(asked).toHaveLength(1);
    status = { allowed: false, denied: true, reason: 'never' };
    expect(await one.authorize(ask({ name: 'x' }))).toEqual({ decision: 'deny', reason: 'never' });
    await clock.advance(11_000);
    await one.authorize(ask({ name: 'x' }));
    expect(asked).toHaveLength(3);
    await one.authorize(ask({ name: 'y'.repeat(10_000) }));
    await one.authorize(ask({ name: 'y'.repeat(10_000) }));
    expect(asked).toHaveLength(5);
  });

  it('that cannot be asked count as their policy says', async () => {
    status = new Error('connection refused');
    expect(await webhook().authorize(ask())).toEqual({ decision: 'noOpinion', reason: '' });
    expect(await webhook({ failurePolicy: 'Deny' }).authorize(ask())).toEqual({ decision: 'deny', reason: '' });
    expect(() => webhook({ version: 'v2' })).toThrow('unsupported webhook authorizer version "v2"');
  });

  it('are asked only when their conditions hold', async () => {
    const conditions = ["has(request.resourceAttributes)", "request.resourceAttributes.namespace == 'a'", "!('system:serviceaccounts' in request.groups)"].map((expression) => compileCondition(expression).program).filter((program) => program !== undefined);
    expect(conditions).toHaveLength(3);
    const one = webhook({ conditions });
    await one.authorize(ask());
    expect(await one.authorize(ask({ namespace: 'b' }))).toEqual({ decision: 'noOpinion', reason: '' });
    expect(await one.authorize(ask({ isResource: false, path: '/x' }))).toEqual({ decision: 'noOpinion', reason: '' });
    expect(asked).toHaveLength(1);
    expect(joinRules([one], jane, 'a')).toMatchObject({ incomplete: true, errors: ['webhook authorizer does not support user rule resolution'] });
  });
});

describe('--authorization-config', () => {
  const file = (authorizers: string): string => `apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n${authorizers}`;
  const hook = (more: string): string => file(`- type: Webhook\n  name: w\n  webhook:\n    timeout: 3s\n    subjectAccessReviewVersion: v1\n    failurePolicy: Deny\n    ${more}`);

  it('gives the authorizers in order', async () => {
    const list = authorizersOfFile(file('- {type: Node, name: node}\n- {type: AlwaysAllow, name: all}\n'), needs());
    expect(list.map(({ name }) => name)).toEqual(['Node', 'AlwaysAllow']);
    expect(await chainAuthorizers(list)(ask())).toMatchObject({ decision: 'allow' });
  });

  it.each<[string, string]>([
    [file(' []'), 'authorizers: Required value: at least one authorization mode must be defined'],
    [file('- {name: x}'), 'authorizers[0].type: Required value'],
    [file('- {type: Magic, name: x}'), 'authorizers[0].type: Unsupported value: "Magic": supported values: "ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"'],
    [file('- {type: RBAC, name: a}\n- {type: RBAC, name: b}'), 'authorizers[1].type: Duplicate value: "RBAC"'],
    [file('- {type: RBAC, name: a}\n- {type: Node, name: a}'), 'authorizers[1].name: Duplicate value: "a"'],
    [file('- {type: Webhook, name: w}'), 'authorizers[0].webhook: Required value: required when type=Webhook'],
    [hook('connectionInfo: {type: Carrier}'), 'authorizers[0].connectionInfo.type: Unsupported value: "Carrier"'],
    [hook('connectionInfo: {type: KubeConfigFile, kubeConfigFile: x}'), 'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "x": must be an absolute path'],
    [hook('matchConditions: [{expression: "1 +"}]'), 'authorizers[0].matchConditions[0].expression: Invalid value: "1 +": compilation failed'],
    [hook('surprise: 1'), 'unknown field "authorizers[0].webhook.surprise"'],
  ])('refuses %j', (text, message) => expect(() => authorizersOfFile(text, needs())).toThrow(message));

  it('refuses flags beside it', () => {
    expect(() => authorizersOfFile(file('- {type: RBAC, name: a}'), needs({ authorizationMode: 'RBAC' }))).toThrow('--authorization-config can not be specified when');
  });
});
