import { ConfigMaps, MutatingAdmissionPolicies, MutatingAdmissionPolicyBindings, Namespaces, ValidatingAdmissionPolicies, ValidatingAdmissionPolicyBindings, allKinds } from '@orrery/api';
import { StatusError } from '@orrery/errors';
import { describe, expect, it } from 'vitest';
import type { Authorizer, KindLookup, Rounds } from '../../pipeline/index.ts';
import { type Attempt, FakeCluster, allowNothing, attempt } from '../../testing/fake-cluster.ts';
import { mutatingAdmissionPolicy, validatingAdmissionPolicy } from './index.ts';
import { paramPermissions } from './param-permissions.ts';

const kinds: KindLookup = {
  get: (group, version, resource) => allKinds.find((one) => one.group === group && one.version === version && one.resource === resource),
  kept: () => undefined,
  byKind: (group, version, kind) => allKinds.find((one) => one.group === group && one.version === version && one.kind === kind),
  all: () => allKinds,
};

type Fields = Record<string, any>;

const everything = { resourceRules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], scope: '*' }], matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {} };

function setup(authorize: Authorizer['authorize'] = allowNothing) {
  const cluster = new FakeCluster();
  cluster.put(Namespaces, { metadata: { name: 'default', labels: { team: 'a' } } });
  const needs = { env: cluster.env, read: cluster.read, kinds, api: cluster.api, authorize };
  const validating = validatingAdmissionPolicy(needs);
  const mutating = mutatingAdmissionPolicy(needs);
  const notes: Record<string, string> = {};
  const noted = (write: Attempt) => {
    const attributes = attempt(write);
    return Object.assign(attributes, { annotate: (key: string, value: string) => void (notes[key] = value) });
  };
  return {
    cluster, notes,
    policy: (name: string, spec: Fields) => cluster.put(ValidatingAdmissionPolicies, { metadata: { name }, spec: { failurePolicy: 'Fail', matchConstraints: everything, ...spec } } as never),
    binding: (name: string, spec: Fields) => cluster.put(ValidatingAdmissionPolicyBindings, { metadata: { name }, spec: { policyName: 'p', validationActions: ['Deny'], ...spec } } as never),
    mutation: (name: string, spec: Fields) => cluster.put(MutatingAdmissionPolicies, { metadata: { name }, spec: { failurePolicy: 'Fail', reinvocationPolicy: 'Never', matchConstraints: everything, ...spec } } as never),
    mutationBinding: (policyName: string, spec: Fields = {}) => cluster.put(MutatingAdmissionPolicyBindings, { metadata: { name: `${policyName}-b` }, spec: { policyName, ...spec } } as never),
    validate: async (write: Attempt) => {
      const attributes = noted(write);
      if (validating.handles(attributes)) await validating.validate?.(attributes);
      return attributes;
    },
    mutate: async (write: Attempt) => {
      const attributes = noted(write);
      if (mutating.handles(attributes)) await (attributes.reinvocation as Rounds).run([mutating], attributes);
      return attributes;
    },
  };
}

const deployment = (replicas: number, labels: Fields = {}): Attempt => ({
  resource: 'deployments', group: 'apps',
  object: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd', namespace: 'default', labels }, spec: { replicas, selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } } } },
});

async function failure(run: Promise<unknown>): Promise<StatusError> {
  const error: unknown = await run.then(() => undefined, (one: unknown) => one);
  if (!(error instanceof StatusError)) throw new Error(`expected a status, got ${String(error)}`);
  return error;
}

const few = { validations: [{ expression: 'object.spec.replicas <= 5' }] };
const denied = (message: string): string => `deployments.apps "d" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: ${message}`;

describe('validating policies', () => {
  it('deny with the expression, the message, or what messageExpression makes', async () => {
    const { policy, binding, validate } = setup();
    policy('p', few);
    await expect(validate(deployment(9))).resolves.toBeDefined();
    binding('b', {});
    await expect(validate(deployment(5))).resolves.toBeDefined();
    const error = await failure(validate(deployment(9)));
    expect(error.status).toMatchObject({ code: 422, reason: 'Invalid', message: denied('failed expression: object.spec.replicas <= 5'), details: { name: 'd', group: 'apps', kind: 'deployments', causes: [{ message: error.message.slice('deployments.apps "d" is forbidden: '.length) }] } });
    policy('p', { validations: [{ ...few.validations[0], message: ' too many ', reason: 'Forbidden' }] });
    expect((await failure(validate(deployment(9)))).status).toMatchObject({ code: 403, reason: 'Forbidden', message: denied('too many') });
    policy('p', { validations: [{ ...few.validations[0], message: 'x', messageExpression: "'wants ' + string(object.spec.replicas)" }] });
    expect((await failure(validate(deployment(9)))).message).toBe(denied('wants 9'));
  });

  it('fail closed or open on errors, and see variables', async () => {
    const { policy, binding, validate, cluster } = setup();
    binding('b', {});
    policy('p', { validations: [{ expression: 'object.spec.nothing == 1' }] });
    expect((await failure(validate(deployment(1)))).message).toBe(denied("expression 'object.spec.nothing == 1' resulted in error: no such key: nothing"));
    policy('p', { failurePolicy: 'Ignore', validations: [{ expression: 'object.spec.nothing == 1' }] });
    await validate(deployment(1));
    expect(cluster.env.metrics.expose()).toMatch(/apiserver_validating_admission_policy_check_total\{enforcement_action="allow",error_type="invalid_error",policy="p",policy_binding="b"\} 1/);
    policy('p', { variables: [{ name: 'n', expression: 'object.spec.replicas' }, { name: 'twice', expression: 'variables.n * 2' }, { name: 'bad', expression: 'object.spec.nothing' }], validations: [{ expression: 'variables.twice == 4' }, { expression: 'variables.bad == 1' }] });
    expect((await failure(validate(deployment(3)))).message).toBe(denied('failed expression: variables.twice == 4'));
    expect((await failure(validate(deployment(2)))).message).toBe(denied(`expression 'variables.bad == 1' resulted in error: composited variable "bad" fails to evaluate: no such key: nothing`));
  });

  it('take params by name, by selector, of the namespace of the object', async () => {
    const { policy, binding, validate, cluster } = setup();
    policy('p', { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, validations: [{ expression: "params == null || object.spec.replicas <= int(params.data.max)" }] });
    binding('b', { paramRef: { name: 'limits', parameterNotFoundAction: 'Deny' } });
    expect((await failure(validate(deployment(9)))).message).toBe(denied('failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction'));
    cluster.put(ConfigMaps, { metadata: { name: 'limits', namespace: 'default' }, data: { max: '3' } });
    await validate(deployment(3));
    expect((await failure(validate(deployment(4)))).message).toContain('failed expression');
    binding('b', { paramRef: { selector: { matchLabels: { limit: 'yes' } }, parameterNotFoundAction: 'Allow' } });
    await validate(deployment(4));
    cluster.put(ConfigMaps, { metadata: { name: 'one', namespace: 'default', labels: { limit: 'yes' } }, data: { max: '9' } });
    cluster.put(ConfigMaps, { metadata: { name: 'two', namespace: 'default', labels: { limit: 'yes' } }, data: { max: '3' } });
    expect((await failure(validate(deployment(4)))).message).toContain('failed expression');
    const node: Attempt = { resource: 'nodes', object: { metadata: { name: 'n' }, spec: { replicas: 1 } } };
    expect((await failure(validate(node))).message).toContain('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources');
    policy('p', { paramKind: { apiVersion: 'example.com/v1', kind: 'Limit' }, validations: few.validations });
    expect((await failure(validate(deployment(1)))).message).toBe(`deployments.apps "d" is forbidden: ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'example.com/v1, Kind=Limit'`);
  });

  it('warn, audit and annotate', async () => {
    const { policy, binding, validate, notes } = setup();
    policy('p', { ...few, auditAnnotations: [{ key: 'asked', valueExpression: "'for ' + string(object.spec.replicas)" }, { key: 'never', valueExpression: 'null' }] });
    binding('b', { validationActions: ['Warn', 'Audit'] });
    const { warnings } = await validate(deployment(9));
    expect(warnings).toEqual(["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': failed expression: object.spec.replicas <= 5"]);
    expect(notes).toEqual({
      'p/asked': 'for 9',
      'validation.policy.admission.k8s.io/validation_failure': JSON.stringify([{ message: 'failed expression: object.spec.replicas <= 5', policy: 'p', binding: 'b', expressionIndex: 0, validationActions: ['Warn', 'Audit'] }]),
    });
  });

  it('match by rules, names, selectors and conditions, and see an equivalent version', async () => {
    const { policy, binding, validate } = setup();
    const rule = everything.resourceRules[0];
    const refuses = async (constraints: Fields, write: Attempt = deployment(9)): Promise<boolean> => {
      policy('p', { validations: [{ expression: 'false' }], matchConstraints: { ...everything, ...constraints } });
      return validate(write).then(() => false, () => true);
    };
    binding('b', {});
    expect(await refuses({})).toBe(true);
    expect(await refuses({ resourceRules: [{ ...rule, resourceNames: ['other'] }] })).toBe(false);
    expect(await refuses({ resourceRules: [{ ...rule, resourceNames: ['d'] }] })).toBe(true);
    expect(await refuses({ excludeResourceRules: [{ ...rule, apiGroups: ['apps'] }] })).toBe(false);
    expect(await refuses({ namespaceSelector: { matchLabels: { team: 'b' } } })).toBe(false);
    expect(await refuses({ objectSelector: { matchLabels: { x: 'y' } } })).toBe(false);
    expect(await refuses({ objectSelector: { matchLabels: { x: 'y' } } }, deployment(1, { x: 'y' }))).toBe(true);
    expect(await refuses({}, { resource: 'validatingadmissionpolicies', group: 'admissionregistration.k8s.io', object: { metadata: { name: 'p' } } })).toBe(false);
    policy('p', { validations: [{ expression: 'false' }], matchConditions: [{ name: 'c', expression: "request.userInfo.username == 'bob'" }] });
    await validate(deployment(9));
    await expect(validate({ ...deployment(9), user: { username: 'bob', groups: [] } })).rejects.toThrow('failed expression: false');
  });

  it('ask the authorizer, also one that answers later', async () => {
    let asked = 0;
    const { policy, binding, validate } = setup(async ({ user, info }) => {
      asked++;
      return { decision: user.username === 'alice' && info.verb === 'scale' && info.resource === 'deployments' && info.name === 'd' && info.namespace === 'default' ? 'allow' : 'noOpinion', reason: 'because' };
    });
    binding('b', {});
    policy('p', { validations: [{ expression: "authorizer.requestResource.check('scale').allowed()" }, { expression: "authorizer.group('apps').resource('deployments').namespace('default').name('d').check('scale').allowed()" }] });
    await validate(deployment(1));
    expect(asked).toBe(1);
    await expect(validate({ ...deployment(1), user: { username: 'eve', groups: [] } })).rejects.toThrow('failed expression');
  });

  it('see the namespace of the object', async () => {
    const { policy, binding, validate } = setup();
    binding('b', {});
    policy('p', { validations: [{ expression: "namespaceObject.metadata.labels.team == 'a'" }, { expression: "oldObject == null && request.operation == 'CREATE' && request.resource.resource == 'deployments'" }] });
    await validate(deployment(1));
  });

  it('stop at their budget', async () => {
    const { policy, binding, validate } = setup();
    binding('b', {});
    const list = `[${Array.from({ length: 200 }, (_, i) => i).join(',')}]`;
    policy('p', { validations: [{ expression: `${list}.all(a, ${list}.all(b, ${list}.all(c, a + b + c >= 0)))` }] });
    expect((await failure(validate(deployment(1)))).message).toMatch(/cost|budget/);
  });
});

describe('mutating policies', () => {
  const apply = (expression: string): Fields => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } });
  const patch = (expression: string): Fields => ({ patchType: 'JSONPatch', jsonPatch: { expression } });

  it('apply configurations: lists of items with keys are merged', async () => {
    const { mutation, mutationBinding, mutate } = setup();
    mutation('m', { mutations: [apply("Object{metadata: Object.metadata{labels: Object.metadata.labels{side: 'car'}}, spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: 'side', image: 'car'}]}}}}")] });
    mutationBinding('m');
    const { object } = await mutate(deployment(1, { x: 'y' }));
    expect(object.metadata.labels).toEqual({ x: 'y', side: 'car' });
    expect(object.spec.template.spec.containers.map((one: Fields) => one['name']).sort()).toEqual(['c', 'side']);
    expect(object.spec.replicas).toBe(1);
  });

  it('refuse to replace what is one piece, and types in the wrong place', async () => {
    const { mutation, mutationBinding, mutate } = setup();
    mutationBinding('m');
    const said = async (expression: string): Promise<StatusError> => {
      mutation('m', { mutations: [apply(expression)] });
      return failure(mutate(deployment(1)));
    };
    const atomic = await said("Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: 'c', command: ['x']}]}}}}");
    expect(atomic.status).toMatchObject({ code: 403, reason: 'Invalid', message: "policy 'm' with binding 'm-b' denied request: error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.template.spec.containers[0].command" });
    expect((await said('Object{spec: Object.spec{nothing: 1}}')).message).toContain('error applying patch: failed to convert patch object to typed object: .spec.nothing: field not declared in schema');
    expect((await said('Object{spec: Object.wrong{replicas: 1}}')).message).toContain('unexpected type name "Object.wrong", expected "Object.spec", which matches field name path from root Object type');
  });

  it('patch, unless a test of the patch does not hold', async () => {
    const { mutation, mutationBinding, mutate } = setup();
    mutationBinding('m');
    mutation('m', { mutations: [patch("[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('example.com/x'), value: 'y'}, JSONPatch{op: 'replace', path: '/spec/replicas', value: object.spec.replicas + 1}]")] });
    const { object } = await mutate(deployment(1));
    expect([object.metadata.labels, object.spec.replicas]).toEqual([{ 'example.com/x': 'y' }, 2]);
    mutation('m', { mutations: [patch("[JSONPatch{op: 'test', path: '/spec/replicas', value: 7}, JSONPatch{op: 'remove', path: '/spec/replicas'}]")] });
    expect((await mutate(deployment(1))).object.spec.replicas).toBe(1);
    mutation('m', { mutations: [patch("[JSONPatch{op: 'remove', path: '/spec/nothing'}]")] });
    expect((await failure(mutate(deployment(1)))).message).toMatch(/^policy 'm' with binding 'm-b' denied request: JSONPath: /);
    mutation('m', { failurePolicy: 'Ignore', mutations: [patch("[JSONPatch{op: 'remove', path: '/spec/nothing'}]")] });
    expect((await mutate(deployment(1))).object.spec.replicas).toBe(1);
  });

  it('run in order of their names, and again if they ask for it', async () => {
    const { mutation, mutationBinding, mutate } = setup();
    const count = (key: string): Fields => ({ mutations: [patch(`[JSONPatch{op: 'add', path: '/metadata/labels/${key}', value: ('${key}' in object.metadata.labels ? object.metadata.labels.${key} : '') + string(size(object.metadata.labels))}]`)] });
    mutation('b', count('b'));
    mutation('a', { ...count('a'), reinvocationPolicy: 'IfNeeded' });
    mutationBinding('a');
    mutationBinding('b');
    expect((await mutate(deployment(1))).object.metadata.labels).toEqual({ a: '02', b: '1' });
  });
});

describe('who writes a policy', () => {
  it('must be able to read its params', async () => {
    const { cluster, policy } = setup();
    policy('p', { ...few, paramKind: { apiVersion: 'v1', kind: 'Secret' } });
    const asked: Fields[] = [];
    const plugin = (allowed: boolean) => paramPermissions({ read: cluster.read, kinds, authorize: ({ info }) => (asked.push(info), { decision: allowed ? 'allow' : 'noOpinion', reason: '' }) });
    const write = (resource: string, spec: Fields, old?: Fields) =>
      attempt({ resource, group: 'admissionregistration.k8s.io', operation: old ? 'UPDATE' : 'CREATE', object: { metadata: { name: 'x' }, spec }, ...(old ? { oldObject: { metadata: { name: 'x' }, spec: old } } : {}) });
    const made = write('validatingadmissionpolicies', { paramKind: { apiVersion: 'v1', kind: 'Secret' } });
    await plugin(true).validate?.(made);
    expect(asked.at(-1)).toMatchObject({ verb: 'get', group: '', version: 'v1', resource: 'secrets', name: '*', namespace: '*' });
    expect((await failure(plugin(false).validate?.(made) as Promise<void>)).status).toMatchObject({
      code: 422, message: 'ValidatingAdmissionPolicy.admissionregistration.k8s.io "x" is invalid: spec.paramKind: Forbidden: user &{alice  [system:authenticated] map[]} must have "get" permission on all objects of the referenced paramKind (kind=Secret, apiVersion=v1)',
    });
    const ref = { policyName: 'p', paramRef: { selector: {}, namespace: 'n' } };
    await plugin(true).validate?.(write('validatingadmissionpolicybindings', ref));
    expect(asked.at(-1)).toMatchObject({ verb: 'list', resource: 'secrets', namespace: 'n', name: '' });
    expect((await failure(plugin(false).validate?.(write('mutatingadmissionpolicybindings', ref)) as Promise<void>)).message).toContain('spec.paramRef: Forbidden: user list does not have');
    await plugin(false).validate?.(write('validatingadmissionpolicybindings', { ...ref, validationActions: ['Warn'] }, ref));
  });
});
