import { describe, expect, it } from 'vitest';
import { cells, context, created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { controllerRevisionKind } from './controller-revision.ts';
import { daemonSetKind } from './daemon-set.ts';
import { deploymentKind } from './deployment.ts';
import { replicaSetKind } from './replica-set.ts';
import { statefulSetKind } from './stateful-set.ts';
import { replicationControllerKind } from '../../core/v1/replication-controller.ts';
import { podTemplateKind } from '../../core/v1/pod-template.ts';

const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'nginx:1' }] } };
const selector = { matchLabels: { app: 'a' } };
const spec = { selector, template };
const mismatch = 'spec.template.metadata.labels: Invalid value: {"app":"b"}: `selector` does not match template `labels`';
const wrongLabels = { ...spec, template: { ...template, metadata: { labels: { app: 'b' } } } };

describe('workload defaults', () => {
  it.each([
    ['deployment', deploymentKind, { replicas: 1, strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } }, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 }],
    ['replica set', replicaSetKind, { replicas: 1 }],
    ['daemon set', daemonSetKind, { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } }, revisionHistoryLimit: 10 }],
    ['stateful set', statefulSetKind, { replicas: 1, podManagementPolicy: 'OrderedReady', updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } }, revisionHistoryLimit: 10, persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' } }],
  ] as const)('%s', (_, kind, expected) => expect(made(kind as typeof deploymentKind, { spec })).toMatchObject({ spec: { ...expected, template: { spec: { restartPolicy: 'Always', dnsPolicy: 'ClusterFirst' } } } }));

  it('templates get no service links and no host ports', () => {
    const object = made(deploymentKind, { spec: { selector, template: { ...template, spec: { hostNetwork: true, containers: [{ name: 'c', image: 'x', ports: [{ containerPort: 1 }] }] } } } });
    expect(object.spec?.template.spec?.enableServiceLinks).toBeUndefined();
    expect(object.spec?.template.spec?.containers[0]?.ports).toEqual([{ containerPort: 1, protocol: 'TCP' }]);
  });

  it('a replication controller selects what its template labels', () => {
    const object = made(replicationControllerKind, { spec: { template } });
    expect([object.spec?.selector, object.metadata?.labels]).toEqual([{ app: 'a' }, { app: 'a' }]);
  });

  it('a daemon set counts its templates', () => {
    const old = created(daemonSetKind, { spec });
    const key = 'deprecated.daemonset.template.generation';
    expect(old.metadata?.annotations?.[key]).toBe('1');
    const next = structuredClone(old);
    next.spec!.template.spec!.containers[0]!.image = 'nginx:2';
    daemonSetKind.prepareForUpdate(next, old, context);
    expect([next.metadata?.annotations?.[key], next.metadata?.generation]).toEqual(['2', 2]);
  });

  it.each<[string, boolean | undefined, number | undefined, number | undefined, number | undefined]>([
    ['is dropped', undefined, undefined, 2, undefined],
    ['stays where it is in use', false, 1, 2, 2],
    ['may go', false, 1, undefined, undefined],
    ['is kept', true, undefined, 2, 2],
    ['is one', true, undefined, undefined, 1],
  ])('maxUnavailable of a stateful set %s with its gate %j', (_, isOn, before, value, expected) => {
    const rolling = (maxUnavailable: number | undefined) => ({ spec: { ...spec, updateStrategy: { rollingUpdate: maxUnavailable === undefined ? {} : { maxUnavailable } } } });
    const gated = { ...context, ...(isOn === undefined ? {} : { isFeatureOn: () => isOn }) };
    const next = made(statefulSetKind, rolling(value));
    if (before === undefined) statefulSetKind.prepareForCreate(next, gated);
    else statefulSetKind.prepareForUpdate(next, made(statefulSetKind, rolling(before)), gated);
    expect(next.spec?.updateStrategy?.rollingUpdate).toEqual({ partition: 0, ...(expected === undefined ? {} : { maxUnavailable: expected }) });
  });

  it('versions share what they have in common', () => {
    const old = created(replicaSetKind, { spec: { ...spec, replicas: 1 } });
    const next = structuredClone({ ...old, spec: { ...old.spec!, replicas: 2 } });
    replicaSetKind.prepareForUpdate(next, old, context);
    expect([next.spec?.replicas, next.spec?.template === old.spec?.template, next.spec?.selector === old.spec?.selector, next.metadata?.generation]).toEqual([2, true, true, 2]);
    const other = structuredClone(old);
    other.spec!.template!.spec!.containers[0]!.image = 'nginx:2';
    replicaSetKind.prepareForUpdate(other, old, context);
    expect(other.spec?.template?.spec?.containers[0]?.image).toBe('nginx:2');
  });

  it('labels set through /status of a deployment are lost, annotations are not', () => {
    const old = created(deploymentKind, { spec });
    const next = structuredClone(old);
    next.metadata = { ...next.metadata, labels: { new: '1' }, annotations: { new: '1' } };
    next.spec!.replicas = 7;
    next.status = { replicas: 1 };
    deploymentKind.prepareForStatusUpdate(next, old, context);
    expect([next.metadata?.labels, next.metadata?.annotations, next.spec?.replicas, next.status, next.metadata?.generation]).toEqual([undefined, { new: '1' }, 1, { replicas: 1 }, 1]);
  });
});

describe('workload validation', () => {
  it.each([
    ['a deployment', deploymentKind, spec, []],
    ['labels that do not match', deploymentKind, wrongLabels, [mismatch]],
    ['no selector', deploymentKind, { template }, ['spec.selector: Required value', mismatch.replace('"b"', '"a"')]],
    ['an empty selector', deploymentKind, { selector: {}, template }, ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']],
    ['negative replicas', deploymentKind, { ...spec, replicas: -1 }, ['spec.replicas: Invalid value: -1: must be greater than or equal to 0']],
    ['pods that end', deploymentKind, { selector, template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } }, ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"']],
    ['no room to roll', deploymentKind, { ...spec, strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } }, ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0']],
    ['recreate with rolling options', deploymentKind, { ...spec, strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } }, ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"]],
    ['a deadline before ready', deploymentKind, { ...spec, minReadySeconds: 600 }, ['spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds']],
    ['a wrong image', deploymentKind, { selector, template: { ...template, spec: { containers: [{ name: 'c' }] } } }, ['spec.template.spec.containers[0].image: Required value']],
    ['a replica set', replicaSetKind, wrongLabels, [mismatch]],
    ['a daemon set', daemonSetKind, { ...spec, updateStrategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } } }, ['spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero']],
    ['a stateful set', statefulSetKind, { ...spec, podManagementPolicy: 'Any' }, ["spec.podManagementPolicy: Invalid value: \"Any\": must be 'OrderedReady' or 'Parallel'"]],
    ['a replication controller', replicationControllerKind, { template: { spec: template.spec } }, ['spec.selector: Required value']],
  ] as const)('%s', (_, kind, wrong, expected) => expect(problems(kind as typeof deploymentKind, { spec: wrong })).toEqual(expected));

  it('a pod template', () => expect(problems(podTemplateKind, { template: { spec: { containers: [] } } })).toEqual(['template.spec.containers: Required value']));

  it.each([
    ['deployment', deploymentKind],
    ['replica set', replicaSetKind],
    ['daemon set', daemonSetKind],
  ] as const)('the selector of a %s stays', (_, kind) => {
    const next = { spec: { selector: { matchLabels: { app: 'b' } }, template: { ...template, metadata: { labels: { app: 'b' } } } } };
    expect(updateProblems(kind as typeof deploymentKind, { old: { spec }, next })).toEqual(['spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable']);
  });

  it('a stateful set keeps its service', () => {
    expect(updateProblems(statefulSetKind, { old: { spec }, next: { spec: { ...spec, serviceName: 'other' } } })).toEqual([
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ]);
    expect(updateProblems(statefulSetKind, { old: { spec }, next: { spec: { ...spec, replicas: 3 } } })).toEqual([]);
  });

  it('a revision keeps its data', () => {
    expect(updateProblems(controllerRevisionKind, { old: { data: { a: 1 }, revision: 1 }, next: { data: { a: 2 }, revision: 1 } })).toEqual(['data: Invalid value: {"a":2}: field is immutable']);
  });
});

describe('workload columns', () => {
  it.each([
    ['deployment', deploymentKind, { spec: { ...spec, replicas: 3 }, status: { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 } }, ['1/3', 2, 1, '10m', 'c', 'nginx:1', 'app=a']],
    ['replica set', replicaSetKind, { spec: { ...spec, replicas: 3 }, status: { replicas: 2, readyReplicas: 1 } }, [3, 2, 1, '10m', 'c', 'nginx:1', 'app=a']],
    ['daemon set', daemonSetKind, { spec, status: { desiredNumberScheduled: 3, currentNumberScheduled: 2, numberReady: 1, updatedNumberScheduled: 1, numberAvailable: 1 } }, [3, 2, 1, 1, 1, '<none>', '10m', 'c', 'nginx:1', 'app=a']],
    ['stateful set', statefulSetKind, { spec, status: { readyReplicas: 1 } }, ['1/1', '10m', 'c', 'nginx:1']],
    ['revision', controllerRevisionKind, { metadata: { name: 'r', creationTimestamp: '2026-01-01T00:00:00Z', ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd', uid: 'u', controller: true }] }, revision: 4 }, ['daemonset.apps/d', 4, '10m']],
  ] as const)('%s', (_, kind, object, expected) => expect(cells(kind as typeof deploymentKind, object, true)).toEqual(expected));
});
