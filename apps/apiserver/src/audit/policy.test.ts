import { describe, expect, it } from 'vitest';
import { resourceInfo } from '../pipeline/resource-info.ts';
import { loadPolicy, policyEvaluator } from './policy.ts';

const head = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n';
const load = (rest: string) => loadPolicy(`${head}${rest}`, 'p.yaml');

describe('loadPolicy', () => {
  it.each([
    ['', 'loaded illegal policy with 0 rules from file p.yaml'],
    ['rules: [{}]', 'rules[0].level: Required value'],
    ['rules: [{level: Loud}]', 'rules[0].level: Unsupported value: "Loud": supported values: "None", "Metadata", "Request", "RequestResponse"'],
    ['rules: [{level: None, nonResourceURLs: ["logs"]}]', `rules[0].nonResourceURLs[0]: Invalid value: "logs": non-resource URL rules must begin with a '/' character`],
    ['rules: [{level: None, nonResourceURLs: ["/a*b"]}]', `rules[0].nonResourceURLs[0]: Invalid value: "/a*b": non-resource URL wildcards '*' must be the final character of the rule`],
    ['rules: [{level: None, nonResourceURLs: ["/a"], namespaces: [x]}]', 'rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs'],
    ['rules: [{level: None, resources: [{resourceNames: [x]}]}]', 'rules[0].resources.resourceNames: Invalid value: ["x"]: using resourceNames requires at least one resource'],
    ['rules: [{level: None, omitStages: [Later]}]', 'rules[0].omitStages[0]: Invalid value: "Later": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic'],
    ['rules: [{level: None, users: bob}]', 'failed decoding: rules[0].users has the wrong type'],
    ['rules: none', 'failed decoding: rules has the wrong type'],
  ])('refuses %s', (text, message) => expect(() => load(text)).toThrow(message));

  it('names a group that is none, and another kind of file', () => {
    expect(() => load('rules: [{level: None, resources: [{group: rbac/v1}]}]')).toThrow('rules[0].resources.group: Invalid value: "rbac/v1": a lowercase RFC 1123 subdomain');
    expect(() => loadPolicy('apiVersion: v1\nkind: Pod', 'p.yaml')).toThrow('unknown group version field "v1", kind "Pod" in policy file p.yaml');
    expect(() => loadPolicy(`${head}rules: [`, 'p.yaml')).toThrow(/failed decoding: .*from file p\.yaml/s);
  });
});

describe('policyEvaluator', () => {
  const user = (username: string, ...groups: string[]) => ({ username, groups });
  const of = (verb: string, resource: string, more: { group?: string; namespace?: string; name?: string; subresource?: string } = {}) =>
    resourceInfo({ group: more.group ?? '', version: 'v1', resource, verb, ...more }, true);
  const path = (text: string) => ({ ...of('get', ''), isResource: false, path: text });
  const evaluate = policyEvaluator(
    load(`
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- {level: None, users: [system:kube-proxy], verbs: [watch], resources: [{resources: [endpoints, "services/status"]}]}
- {level: None, userGroups: [quiet]}
- {level: None, nonResourceURLs: ["/healthz*", /version]}
- {level: Request, resources: [{resources: ["*/scale"], group: apps}], omitStages: [ResponseStarted], omitManagedFields: false}
- {level: RequestResponse, resources: [{resources: ["pods/*"]}]}
- {level: Request, resources: [{resources: [configmaps], resourceNames: [boss]}], namespaces: [kube-system]}
- {level: Metadata, resources: [{group: batch}, {resources: [secrets]}]}
- {level: Metadata, namespaces: [""]}
`),
  );
  const levelOf = (...args: Parameters<typeof evaluate>) => evaluate(...args).level;

  it.each([
    ['None', user('system:kube-proxy'), of('watch', 'endpoints')],
    ['None', user('system:kube-proxy'), of('watch', 'services', { subresource: 'status', name: 'x', namespace: 'd' })],
    ['None', user('a', 'x', 'quiet'), of('get', 'secrets', { namespace: 'd', name: 's' })],
    ['None', user('a'), path('/healthz/etcd')],
    ['None', user('a'), path('/version')],
    ['None', user('a'), path('/metrics')],
    ['Request', user('a'), of('update', 'deployments', { group: 'apps', subresource: 'scale', namespace: 'd', name: 'x' })],
    ['RequestResponse', user('a'), of('get', 'pods', { namespace: 'd', name: 'x' })],
    ['RequestResponse', user('a'), of('create', 'pods', { namespace: 'd', name: 'x', subresource: 'exec' })],
    ['Request', user('a'), of('get', 'configmaps', { namespace: 'kube-system', name: 'boss' })],
    ['None', user('a'), of('get', 'configmaps', { namespace: 'kube-system', name: 'other' })],
    ['Metadata', user('a'), of('list', 'jobs', { group: 'batch', namespace: 'd' })],
    ['None', user('a'), of('get', 'secrets', { namespace: 'd', name: 'x', subresource: 'status' })],
    ['Metadata', user('a'), of('list', 'nodes')],
    ['Metadata', undefined, of('list', 'nodes')],
  ] as const)('%s for %o %o', (level, who, info) => expect(levelOf(who, info)).toBe(level));

  it('adds the stages of policy and rule, and lets the rule decide on managed fields', () => {
    const scale = evaluate(user('a'), of('update', 'deployments', { group: 'apps', subresource: 'scale', namespace: 'd', name: 'x' }));
    expect([...scale.omitStages]).toEqual(['RequestReceived', 'ResponseStarted']);
    expect(scale.omitManagedFields).toBe(false);
    expect(evaluate(user('a'), of('list', 'nodes')).omitManagedFields).toBe(true);
  });
});
