import { expect, it } from 'vitest';
import type { KindDescriptor } from '../../kind.ts';
import { context, created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { daemonSetKind } from './daemon-set.ts';
import { deploymentKind } from './deployment.ts';
import { replicaSetKind } from './replica-set.ts';
import { statefulSetKind } from './stateful-set.ts';

const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'nginx:1' }] } };
const spec = { selector: { matchLabels: { app: 'a' } }, template };
const unreadable = { ...spec, selector: { matchExpressions: [{ key: 'app', operator: 'Like' }] } };
const shown = '{"matchExpressions":[{"key":"app","operator":"Like"}]}';
const badOperator = 'spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator';
const unmatched = 'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`';
const mounted = { ...template, spec: { containers: [{ name: 'c', image: 'x', volumeMounts: [{ name: 'data', mountPath: '/data' }] }] } };

it.each<[string, KindDescriptor, object, string[]]>([
  ['an unreadable selector of a deployment', deploymentKind, unreadable, [badOperator, `spec.selector: Invalid value: ${shown}: invalid label selector`]],
  ['an unreadable selector of a replica set', replicaSetKind, unreadable, [badOperator, `spec.selector: Invalid value: ${shown}: invalid label selector`]],
  ['an unreadable selector of a stateful set', statefulSetKind, unreadable, [badOperator, `spec.selector: Invalid value: ${shown}`]],
  ['an unreadable selector of a daemon set', daemonSetKind, unreadable, [badOperator]],
  ['a daemon set without selector', daemonSetKind, { template }, [unmatched]],
  ['a stateful set without selector', statefulSetKind, { template }, ['spec.selector: Required value', unmatched]],
  ['an empty selector of a daemon set', daemonSetKind, { selector: {}, template }, ['spec.selector: Invalid value: {}: empty selector is invalid for daemonset']],
  ['an unknown strategy', deploymentKind, { ...spec, strategy: { type: 'Slow' } }, ['spec.strategy: Unsupported value: {"Type":"Slow","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"']],
  ['an unknown update', daemonSetKind, { ...spec, updateStrategy: { type: 'Slow' } }, ['spec.updateStrategy: Unsupported value: {"Type":"Slow","RollingUpdate":null}: supported values: "RollingUpdate", "OnDelete"']],
  ['an unknown update of a stateful set', statefulSetKind, { ...spec, updateStrategy: { type: 'Slow' } }, ["spec.updateStrategy: Invalid value: {\"Type\":\"Slow\",\"RollingUpdate\":null}: must be 'RollingUpdate' or 'OnDelete'"]],
  ['more than everything unavailable', deploymentKind, { ...spec, strategy: { rollingUpdate: { maxUnavailable: '101%' } } }, ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%']],
  ['what is no percentage', deploymentKind, { ...spec, strategy: { rollingUpdate: { maxSurge: 'half' } } }, [
    "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"half\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
  ]],
  ['nothing to replace', daemonSetKind, { ...spec, updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } }, ['spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0']],
  ['a retention', statefulSetKind, { ...spec, persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Keep' } }, ['spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Keep": supported values: "Retain", "Delete"']],
  ['an ordinal below zero', statefulSetKind, { ...spec, ordinals: { start: -1 } }, ['spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0']],
  ['options of OnDelete', statefulSetKind, { ...spec, updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } }, ["spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for updateStrategy 'RollingUpdate'"]],
  ['mounts of claims', statefulSetKind, { ...spec, template: mounted, volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }] }, []],
  ['a deadline', replicaSetKind, { ...spec, template: { ...template, spec: { ...template.spec, activeDeadlineSeconds: 1 } } }, ['spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported']],
])('%s', (_, kind, wrong, expected) => expect(problems(kind, { spec: wrong })).toEqual(expected));

it('warns of names that are no labels and of histories without end', () => {
  const odd = made(deploymentKind, { metadata: { name: 'a.b' }, spec });
  expect([deploymentKind, replicaSetKind].map((kind) => kind.warnings(odd as never, undefined)[0]?.split(':')[0])).toEqual(['metadata.name', 'metadata.name']);
  expect(deploymentKind.warnings(odd, odd)).toEqual([]);
  const endless = { ...spec, revisionHistoryLimit: -1 };
  expect(problems(statefulSetKind, { spec: endless })).toEqual([]);
  expect(statefulSetKind.warnings(made(statefulSetKind, { spec: endless }), undefined)).toEqual(['spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended']);
});

it('a bad service name may stay, not come', () => {
  const bad = { spec: { ...spec, serviceName: 'A_b' } };
  const old = created(statefulSetKind, bad);
  expect(problems(statefulSetKind, bad)[0]).toMatch(/^spec\.serviceName: Invalid value: "A_b": a lowercase RFC 1123 label/);
  expect(updateProblems(statefulSetKind, { old, next: { ...old, spec: { ...old.spec, replicas: 2 } } })).toEqual([]);
});

it('annotations count for the generation of a deployment, but not through /status', () => {
  const old = created(deploymentKind, { spec });
  const annotated = { ...structuredClone(old), metadata: { ...old.metadata, annotations: { a: 'b' } } };
  const next = structuredClone(annotated);
  deploymentKind.prepareForUpdate(next, old, context);
  const status = structuredClone(annotated);
  deploymentKind.prepareForStatusUpdate(status, old, context);
  expect([next.metadata?.generation, status.metadata?.generation, status.metadata?.annotations]).toEqual([2, 1, { a: 'b' }]);
});

it.each<[KindDescriptor, object, string[]]>([
  [deploymentKind, { replicas: 1, updatedReplicas: 2 }, ['status.updatedReplicas: Invalid value: 2: cannot be greater than status.replicas']],
  [deploymentKind, { replicas: 2, readyReplicas: 1, availableReplicas: 2 }, ['status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas']],
  [statefulSetKind, { replicas: 2, readyReplicas: 1, availableReplicas: 2 }, ['status.availableReplicas: Invalid value: 2: cannot be greater than status.readyReplicas']],
  [statefulSetKind, { replicas: 0 }, ['status.collisionCount: Invalid value: 0: cannot be decremented']],
  [daemonSetKind, { numberReady: -1, collisionCount: 3 }, ['status.numberReady: Invalid value: -1: must be greater than or equal to 0']],
])('a status of %o', (kind, status, expected) => {
  const old = { ...created(kind, { spec }), status: { collisionCount: expected[0]?.includes('collision') ? 2 : undefined } };
  const errors = kind.validateStatusUpdate({ ...made(kind, { spec }), status }, old);
  expect(errors.map(({ field, message }) => `${field}: ${message}`)).toEqual(expected);
});
