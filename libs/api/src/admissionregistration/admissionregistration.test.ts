import { describe, expect, it, test } from 'vitest';
import type { ValidatingAdmissionPolicy } from '../../gen/types.ts';
import { allKinds } from '../kinds.ts';
import { decodeProtobuf, encodeProtobuf } from '../schema/index.ts';
import { cells, problems, updateProblems } from '../testing/kind-cases.ts';
import { builtInObjectType, customObjectType } from './object-types.ts';
import { type KindSource, expressionWarnings } from './type-checking.ts';
import { mutatingAdmissionPolicyBindingKind as mutatingBinding } from './v1/mutating-admission-policy-binding.ts';
import { mutatingAdmissionPolicyKind as mutating } from './v1/mutating-admission-policy.ts';
import { mutatingWebhookConfigurationKind as mutatingHooks } from './v1/mutating-webhook-configuration.ts';
import { validatingAdmissionPolicyBindingKind as validatingBinding } from './v1/validating-admission-policy-binding.ts';
import { validatingAdmissionPolicyKind as validating } from './v1/validating-admission-policy.ts';
import { validatingWebhookConfigurationKind as validatingHooks } from './v1/validating-webhook-configuration.ts';

const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const constraints = { resourceRules: [rule] };
const policy = (more: object): object => ({ spec: { matchConstraints: constraints, validations: [{ expression: 'true' }], ...more } });
const mutation = (more: object): object => ({ spec: { matchConstraints: constraints, reinvocationPolicy: 'Never', mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: "object.x == 1 ? [JSONPatch{op: 'remove', path: '/a'}] : []" } }], ...more } });
const hooks = (more: object): object => ({ webhooks: [{ name: 'a.b.c', clientConfig: { url: 'https://h' }, sideEffects: 'None', admissionReviewVersions: ['v1'], rules: [rule], ...more }] });
const binding = (more: object): object => ({ spec: { policyName: 'p', validationActions: ['Deny'], ...more } });

const at = (line: number, column: number, message: string, source: string): string => `compilation failed: ERROR: <input>:${line}:${column}: ${message}\n | ${source}\n | ${'.'.repeat(column - 1)}^`;

test.each([
  ['a good policy', policy({}), []],
  ['nothing', { spec: {} }, ['spec.matchConstraints: Required value', 'spec.validations: Required value: validations or auditAnnotations must contain at least one item', 'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item']],
  ['no rule', policy({ matchConstraints: {} }), ['spec.matchConstraints.resourceRules: Required value']],
  ['an unknown name', policy({ validations: [{ expression: 'objct.x' }] }), [`spec.validations[0].expression: Invalid value: "objct.x": ${at(1, 1, "undeclared reference to 'objct' (in container '')", 'objct.x')}`]],
  ['params without a kind', policy({ validations: [{ expression: 'params == null' }] }), [`spec.validations[0].expression: Invalid value: "params == null": ${at(1, 1, "undeclared reference to 'params' (in container '')", 'params == null')}`]],
  ['params', policy({ paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, validations: [{ expression: 'params == null' }] }), []],
  ['no answer', policy({ validations: [{ expression: 'object.spec.replicas' }] }), ['spec.validations[0].expression: Invalid value: "object.spec.replicas": must evaluate to bool but got dyn']],
  ['a number', policy({ validations: [{ expression: '1 + 1' }] }), ['spec.validations[0].expression: Invalid value: "1 + 1": must evaluate to bool but got int']],
  ['a field that requests lack', policy({ validations: [{ expression: "request.nothing == 'x'" }] }), [`spec.validations[0].expression: Invalid value: "request.nothing == 'x'": ${at(1, 8, "undefined field 'nothing'", "request.nothing == 'x'")}`]],
  ['an empty expression', policy({ validations: [{ expression: ' ' }] }), ['spec.validations[0].expression: Required value: expression is not specified']],
  ['messages', policy({ validations: [{ expression: 'true', message: ' ' }, { expression: 'true', message: 'a\nb' }, { expression: 'true', messageExpression: ' ' }, { expression: 'true', messageExpression: 'authorizer' }] }), [
    'spec.validations[0].message: Invalid value: " ": message must be non-empty if specified',
    'spec.validations[1].message: Invalid value: "a\\nb": message must not contain line breaks',
    'spec.validations[2].messageExpression: Invalid value: " ": must be non-empty if specified',
    `spec.validations[3].messageExpression: Invalid value: "authorizer": ${at(1, 1, "undeclared reference to 'authorizer' (in container '')", 'authorizer')}`,
  ]],
  ['a reason', policy({ validations: [{ expression: 'true', reason: 'Because' }] }), ['spec.validations[0].reason: Unsupported value: "Because": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"']],
  ['audit annotations', policy({ auditAnnotations: [{ key: 'a b', valueExpression: "'x'" }, { key: 'k', valueExpression: '' }, { key: 'k', valueExpression: '1' }] }), [
    expect.stringMatching(/^spec\.auditAnnotations\[0\]\.key: Invalid value: "x\/a b": name part must consist of alphanumeric characters/),
    'spec.auditAnnotations[1].valueExpression: Required value: valueExpression is not specified',
    'spec.auditAnnotations[2].valueExpression: Invalid value: "1": must evaluate to one of [string null_type] but got int',
    'spec.auditAnnotations[2].key: Duplicate value: "k"',
  ]],
  ['a failure policy', policy({ failurePolicy: 'Maybe' }), ['spec.failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore"']],
  ['a kind of params', policy({ paramKind: { apiVersion: 'a/b/c', kind: '1' } }), ['spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c', expect.stringMatching(/^spec\.paramKind\.kind: Invalid value: "1": may have mixed case, but should otherwise match: a DNS-1035 label must/)]],
  ['conditions', policy({ matchConditions: [{ name: 'a', expression: 'true' }, { name: 'a', expression: "'x'" }, { name: '!', expression: '' }] }), [
    'spec.matchConditions[1].expression: Invalid value: "\'x\'": must evaluate to bool but got string', 'spec.matchConditions[1].name: Duplicate value: "a"', 'spec.matchConditions[2].expression: Required value', expect.stringContaining('spec.matchConditions[2].name: Invalid value: "!"'),
  ]],
  ['too many conditions', policy({ matchConditions: Array.from({ length: 65 }, (_, i) => ({ name: `n${i}`, expression: 'true' })) }), ['spec.matchConditions: Too many: 65: must have at most 64 items']],
  ['variables', policy({ variables: [{ name: 'a', expression: 'object.spec' }, { name: 'in', expression: '1' }, { name: '', expression: '' }], validations: [{ expression: 'variables.a == variables.in' }, { expression: 'variables.c' }] }), [
    'spec.variables[1].name: Invalid value: "in": name is not a valid CEL identifier', 'spec.variables[2].name: Required value: name is not specified', 'spec.variables[2].expression: Required value: expression is not specified',
    expect.stringContaining('spec.validations[0].expression: Invalid value'), `spec.validations[1].expression: Invalid value: "variables.c": ${at(1, 10, "undefined field 'c'", 'variables.c')}`,
  ]],
  ['rules', policy({ matchConstraints: { resourceRules: [{ ...rule, operations: ['PATCH'], resources: ['*/*', 'pods', 'a/*', 'a/b'], resourceNames: ['a', 'a', 'x/y'] }] } }), [
    'spec.matchConstraints.resourceRules[0].resourceNames[1]: Duplicate value: "a"', "spec.matchConstraints.resourceRules[0].resourceNames[2]: Invalid value: \"x/y\": may not contain '/'",
    'spec.matchConstraints.resourceRules[0].operations[0]: Unsupported value: "PATCH": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
    "spec.matchConstraints.resourceRules[0].resources[2]: Invalid value: \"a/*\": if '*/*' is present, must not specify a/*", "spec.matchConstraints.resourceRules[0].resources[3]: Invalid value: \"a/b\": if 'a/*' is present, must not specify a/b",
    "spec.matchConstraints.resourceRules[0].resources: Invalid value: [\"*/*\",\"pods\",\"a/*\",\"a/b\"]: if '*/*' is present, must not specify other resources",
  ]],
])('validating policy: %s', (_name, fields, expected) => expect(problems(validating, fields)).toEqual(expected));

test.each([
  ['a good one', mutation({}), []],
  ['nothing', { spec: {} }, ['spec.matchConstraints: Required value', 'spec.mutations: Required value: mutations must contain at least one item', 'spec.reinvocationPolicy: Required value']],
  ['a union of two', mutation({ mutations: [{ patchType: 'JSONPatch', applyConfiguration: { expression: 'Object{}' } }] }), ['spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch', 'spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch']],
  ['types', mutation({ mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: "{'a': 'b'}" } }, { patchType: 'JSONPatch', jsonPatch: { expression: "'x'" } }] }), [
    'spec.mutations[0].applyConfiguration.expression: Invalid value: "{\'a\': \'b\'}": must evaluate to Object but got map(string, string)', 'spec.mutations[1].jsonPatch.expression: Invalid value: "\'x\'": must evaluate to list(JSONPatch) but got string',
  ]],
  ['objects', mutation({ mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: "Object{spec: Object.spec{replicas: 1}}" } }, { patchType: 'JSONPatch', jsonPatch: { expression: "[JSONPatch{op: 'add', path: '/a', value: Object.spec{x: 1}}]" } }] }), []],
  ['deletions', mutation({ matchConstraints: { resourceRules: [{ ...rule, operations: ['DELETE'] }] } }), ['spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"']],
])('mutating policy: %s', (_name, fields, expected) => expect(problems(mutating, fields)).toEqual(expected));

test.each([
  ['actions', binding({ validationActions: ['Deny', 'Deny', 'Odd', 'Warn'] }), ['spec.validationActions[1]: Duplicate value: "Deny"', 'spec.validationActions[2]: Unsupported value: "Odd": supported values: "Audit", "Deny", "Warn"', expect.stringContaining('must not contain both Deny and Warn')]],
  ['no actions', binding({ validationActions: [] }), ['spec.validationActions: Required value: at least one validation action is required']],
  ['no params', binding({ paramRef: {} }), ['spec.paramRef: Required value: one of name or selector must be specified', 'spec.paramRef.parameterNotFoundAction: Required value']],
  ['params both ways', binding({ paramRef: { name: 'a', selector: {}, parameterNotFoundAction: 'Odd' } }), ['spec.paramRef.name: Forbidden: name and selector are mutually exclusive', 'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive', 'spec.paramRef.parameterNotFoundAction: Unsupported value: "Odd": supported values: "Deny", "Allow"']],
])('binding: %s', (_name, fields, expected) => expect(problems(validatingBinding, fields)).toEqual(expected));

test.each([
  ['conditions', hooks({ matchConditions: [{ name: 'c', expression: 'authorizer.group("").resource("pods").check("get").allowed()' }, { name: 'd', expression: 'params.x' }] }), [expect.stringContaining('webhooks[0].matchConditions[1].expression: Invalid value: "params.x": compilation failed')]],
  ['versions', hooks({ admissionReviewVersions: ['v2', 'v2'] }), ['webhooks[0].admissionReviewVersions[1]: Invalid value: "v2": duplicate version', 'webhooks[0].admissionReviewVersions: Invalid value: ["v2","v2"]: must include at least one of v1, v1beta1']],
  ['side effects', hooks({ sideEffects: 'Some' }), ['webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"']],
])('webhooks: %s', (_name, fields, expected) => {
  expect(problems(validatingHooks, fields)).toEqual(expected);
  expect(problems(mutatingHooks, fields)).toEqual(expected);
});

describe('updates', () => {
  it('keep what was once let in', () => {
    const old = { webhooks: [{ ...(hooks({}) as { webhooks: object[] }).webhooks[0], sideEffects: 'Some', matchConditions: [{ name: 'c', expression: 'nonsense' }] }] };
    expect(updateProblems(validatingHooks, { old, next: old })).toEqual([]);
    const next = { webhooks: [{ ...old.webhooks[0], matchConditions: [{ name: 'c', expression: 'worse' }] }] };
    expect(updateProblems(validatingHooks, { old, next })).toEqual([expect.stringContaining('webhooks[0].matchConditions[0].expression')]);
    const bad = policy({ matchConditions: [{ name: 'c', expression: 'nonsense' }] });
    expect(updateProblems(validating, { old: bad, next: bad })).toEqual([]);
  });
});

test('earlier versions of mutating policies are those of v1', () => {
  const kind = allKinds.find((one) => one.version === 'v1beta1' && one.kind === 'MutatingAdmissionPolicy');
  const object = { apiVersion: 'admissionregistration.k8s.io/v1beta1', kind: 'MutatingAdmissionPolicy', ...mutation({}) };
  expect(kind?.storedAs?.toStorage(object).apiVersion).toBe('admissionregistration.k8s.io/v1');
  expect(kind?.storedAs?.fromStorage(kind.storedAs.toStorage(object))).toEqual(object);
  expect(problems(kind as never, mutation({ mutations: [] }))).toEqual(['spec.mutations: Required value: mutations must contain at least one item']);
});

test('columns', () => {
  expect(cells(mutating, mutation({ paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } }))).toEqual([1, 'v1/ConfigMap', '10m']);
  expect(cells(mutatingBinding, { spec: { policyName: 'p', paramRef: { selector: {}, namespace: 'n' } } })).toEqual(['p', 'n/*', '10m']);
});

describe('type checking', () => {
  const crontab = customObjectType('CronTab', { type: 'object', properties: { spec: { type: 'object', properties: { replicas: { type: 'integer' }, 'cron-spec': { type: 'string' }, any: { 'x-kubernetes-int-or-string': true } } } } });
  const source: KindSource = {
    byResource: (group, version, resource) => (resource === 'deployments' ? { group, version, kind: 'Deployment', type: builtInObjectType('io.k8s.api.apps.v1.Deployment') } : resource === 'crontabs' ? { group, version, kind: 'CronTab', type: crontab } : undefined),
    byKind: (group, version, kind) => (kind === 'ConfigMap' ? { group, version, kind, type: builtInObjectType('io.k8s.api.core.v1.ConfigMap') } : undefined),
  };
  const checked = (resource: string, spec: object): unknown[] =>
    expressionWarnings({ spec: { matchConstraints: { resourceRules: [{ ...rule, apiGroups: ['g'], resources: [resource, 'pods/status', '*'] }] }, ...spec } } as ValidatingAdmissionPolicy, source);

  it('knows the fields of built-in and custom kinds, and of params', () => {
    expect(checked('deployments', { validations: [{ expression: 'object.spec.replicas <= 5', messageExpression: "'x' + object.metadata.name" }] })).toEqual([]);
    expect(checked('deployments', { validations: [{ expression: 'true' }, { expression: 'object.spec.replica > 1', messageExpression: 'object.metadata.nam' }] })).toEqual([
      { fieldRef: 'spec.validations[1].expression', warning: "g/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'replica'\n | object.spec.replica > 1\n | ...........^\n" },
      { fieldRef: 'spec.validations[1].messageExpression', warning: "g/v1, Kind=Deployment: ERROR: <input>:1:16: undefined field 'nam'\n | object.metadata.nam\n | ...............^\n" },
    ]);
    expect(checked('crontabs', { validations: [{ expression: "object.spec.replicas < 5 && object.spec.cron__dash__spec != '' && object.spec.any == 1 && object.metadata.name != ''" }] })).toEqual([]);
    expect(checked('crontabs', { validations: [{ expression: "object.spec.replicas == 'x'" }] })).toHaveLength(1);
    expect(checked('deployments', { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, variables: [{ name: 'n', expression: 'params.dat' }], validations: [{ expression: 'params.dta.x == variables.n' }] })).toHaveLength(1);
  });

  it('says nothing where rules name nothing', () => {
    expect(checked('services', { validations: [{ expression: 'object.nothing' }] })).toEqual([]);
  });
});

test.each(['v1', 'v1beta1', 'v1alpha1'])('mutating policies of %s go over the wire as protobuf', (version) => {
  const object = { apiVersion: `admissionregistration.k8s.io/${version}`, kind: 'MutatingAdmissionPolicy', metadata: { name: 'm' }, ...mutation({ variables: [{ name: 'a', expression: '1' }] }) };
  expect(decodeProtobuf(encodeProtobuf(object)).object).toMatchObject(object);
});
