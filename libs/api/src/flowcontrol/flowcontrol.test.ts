import { describe, expect, it } from 'vitest';
import { flowSchemaKind } from './v1/flow-schema.ts';
import { priorityLevelConfigurationKind } from './v1/priority-level-configuration.ts';

type Fields = Record<string, any>;

const schema = (change: (spec: Fields) => void = () => undefined, name = 'mine'): string[] => {
  const spec: Fields = {
    matchingPrecedence: 500,
    priorityLevelConfiguration: { name: 'low' },
    rules: [{ subjects: [{ kind: 'User', user: { name: 'u' } }], resourceRules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], namespaces: ['default'] }] }],
  };
  change(spec);
  return flowSchemaKind.validate({ metadata: { name }, spec } as never).map(({ field, message }) => `${field}: ${message}`);
};

const level = (spec: Fields, name = 'mine'): string[] => {
  const object: Fields = { metadata: { name }, spec };
  priorityLevelConfigurationKind.defaults(object as never);
  return priorityLevelConfigurationKind.validate(object as never).map(({ field, message }) => `${field}: ${message}`);
};

const limited = (more: Fields = {}): Fields => ({ type: 'Limited', limited: { limitResponse: { type: 'Reject' }, ...more } });
const queued = (queuing: Fields): Fields => limited({ limitResponse: { type: 'Queue', queuing } });

describe('flow schemas', () => {
  it('are fine as they are', () => expect(schema()).toEqual([]));

  const rule = (spec: Fields): Fields => spec['rules'][0];
  it.each<[string, (spec: Fields) => void]>([
    ['spec.matchingPrecedence: Invalid value: -1: must be a positive value', (s) => (s['matchingPrecedence'] = -1)],
    ['spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000', (s) => (s['matchingPrecedence'] = 10_001)],
    ["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1", (s) => (s['matchingPrecedence'] = 1)],
    ['spec.priorityLevelConfiguration.name: Required value: must reference a priority level', (s) => (s['priorityLevelConfiguration'] = {})],
    ['spec.distinguisherMethod.type: Unsupported value: "ByMood": supported values: "ByNamespace", "ByUser"', (s) => (s['distinguisherMethod'] = { type: 'ByMood' })],
    ['spec.rules[0].subjects: Required value: subjects must contain at least one value', (s) => (rule(s)['subjects'] = [])],
    ['spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty', (s) => (rule(s)['resourceRules'] = [])],
    ['spec.rules[0].subjects[0].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"', (s) => (rule(s)['subjects'] = [{ kind: 'Robot' }])],
    ["spec.rules[0].subjects[0].group: Required value: group is required when subject kind is 'Group'", (s) => (rule(s)['subjects'] = [{ kind: 'Group' }])],
    ["spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'", (s) => (rule(s)['subjects'] = [{ kind: 'User', user: { name: 'u' }, group: { name: 'g' } }])],
    ['spec.rules[0].subjects[0].serviceAccount.namespace: Required value: must specify namespace for service account', (s) => (rule(s)['subjects'] = [{ kind: 'ServiceAccount', serviceAccount: { name: '*' } }])],
    ['spec.rules[0].resourceRules[0].verbs: Required value: verbs must contain at least one value', (s) => (rule(s)['resourceRules'][0].verbs = [])],
    ['spec.rules[0].resourceRules[0].verbs: Invalid value: ["*","get"]: if \'*\' is present, must not specify other verbs', (s) => (rule(s)['resourceRules'][0].verbs = ['*', 'get'])],
    ['spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace', (s) => delete rule(s)['resourceRules'][0].namespaces],
    ['spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "/a*": wildcard can only do suffix matching', (s) => (rule(s)['nonResourceRules'] = [{ verbs: ['get'], nonResourceURLs: ['/a*'] }])],
    ['spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "a": must start with slash', (s) => (rule(s)['nonResourceRules'] = [{ verbs: ['get'], nonResourceURLs: ['a'] }])],
  ])('%s', (problem, change) => expect(schema(change)).toEqual([problem]));

  it('keep the spec they must have', () => {
    expect(schema(() => undefined, 'catch-all')[0]).toMatch(/^spec: Invalid value: .*: spec of 'catch-all' must equal the fixed value$/);
  });
});

describe('priority levels', () => {
  it('are fine as they are', () => {
    expect(level(limited())).toEqual([]);
    expect(level(queued({ queues: 64, handSize: 6, queueLengthLimit: 50 }))).toEqual([]);
    expect(level(limited({ nominalConcurrencyShares: 0 }))).toEqual([]);
    expect(level({ type: 'Exempt', exempt: { nominalConcurrencyShares: 10, lendablePercent: 50 } }, 'exempt')).toEqual([]);
    expect(level(limited({ nominalConcurrencyShares: 5 }), 'catch-all')).toEqual([]);
  });

  it.each<[string, Fields]>([
    ["spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'", { type: 'Exempt' }],
    ['spec.type: Unsupported value: "Free": supported values: "Exempt", "Limited"', { type: 'Free' }],
    ['spec.limited: Required value: must not be empty when type is Limited', { type: 'Limited' }],
    ['spec.exempt: Forbidden: must be nil if the type is Limited', { ...limited(), exempt: {} }],
    ['spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer', limited({ nominalConcurrencyShares: -1 })],
    ['spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive', limited({ lendablePercent: 101 })],
    ['spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer', limited({ borrowingLimitPercent: -1 })],
    ['spec.limited.limitResponse.type: Unsupported value: "": supported values: "Queue", "Reject"', limited({ limitResponse: {} })],
    ['spec.limited.limitResponse.queuing: Required value: must not be empty if limited.limitResponse.type is Limited', limited({ limitResponse: { type: 'Queue' } })],
    ['spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited', limited({ limitResponse: { type: 'Reject', queuing: {} } })],
    ['spec.limited.limitResponse.queuing.handSize: Invalid value: 9: should not be greater than queues (8)', queued({ queues: 8, handSize: 9 })],
    ['spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of deckSize 512 and handSize 8 should not be greater than 60', queued({ queues: 512, handSize: 8 })],
    ['spec.limited.limitResponse.queuing.queues: Invalid value: 10000001: must not be greater than 10000000', queued({ queues: 10_000_001, handSize: 1 })],
  ])('%s', (problem, spec) => expect(level(spec)).toEqual([problem]));

  it('keep the spec they must have', () => {
    expect(level(limited({ nominalConcurrencyShares: 6 }), 'catch-all')[0]).toMatch(/: spec of 'catch-all' must equal the fixed value$/);
    expect(level(limited(), 'exempt').at(-1)).toMatch(/: spec of 'exempt' except the 'spec.exempt' field must equal the fixed value$/);
  });
});
