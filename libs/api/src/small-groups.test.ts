import { describe, expect, it } from 'vitest';
import { mutatingWebhookConfigurationKind } from './admissionregistration/v1/mutating-webhook-configuration.ts';
import { validatingAdmissionPolicyBindingKind } from './admissionregistration/v1/validating-admission-policy-binding.ts';
import { validatingAdmissionPolicyKind } from './admissionregistration/v1/validating-admission-policy.ts';
import { validatingWebhookConfigurationKind } from './admissionregistration/v1/validating-webhook-configuration.ts';
import { customResourceDefinitionKind } from './apiextensions/v1/custom-resource-definition.ts';
import { apiServiceKind } from './apiregistration/v1/api-service.ts';
import { fromV2, toV2 } from './autoscaling/v1/conversion.ts';
import { horizontalPodAutoscalerV1Kind } from './autoscaling/v1/horizontal-pod-autoscaler.ts';
import { horizontalPodAutoscalerKind } from './autoscaling/v2/horizontal-pod-autoscaler.ts';
import { certificateSigningRequestKind } from './certificates/v1/certificate-signing-request.ts';
import { leaseKind } from './coordination/v1/lease.ts';
import { fromCoreEvent, eventsEventKind, toCoreEvent } from './events/v1/event.ts';
import { flowSchemaKind } from './flowcontrol/v1/flow-schema.ts';
import { priorityLevelConfigurationKind } from './flowcontrol/v1/priority-level-configuration.ts';
import type { KindDescriptor } from './kind.ts';
import { runtimeClassKind } from './node/v1/runtime-class.ts';
import { podDisruptionBudgetKind } from './policy/v1/pod-disruption-budget.ts';
import { clusterRoleBindingKind } from './rbac/v1/cluster-role-binding.ts';
import { clusterRoleKind } from './rbac/v1/cluster-role.ts';
import { roleBindingKind } from './rbac/v1/role-binding.ts';
import { roleKind } from './rbac/v1/role.ts';
import { resourceClaimKind } from './resource/v1/resource-claim.ts';
import { resourceSliceKind } from './resource/v1/resource-slice.ts';
import { priorityClassKind } from './scheduling/v1/priority-class.ts';
import { csiDriverKind } from './storage/v1/csi-driver.ts';
import { csiNodeKind } from './storage/v1/csi-node.ts';
import { storageClassKind } from './storage/v1/storage-class.ts';
import { volumeAttachmentKind } from './storage/v1/volume-attachment.ts';
import { cells, context, created, made, problems, updateProblems } from './testing/kind-cases.ts';

const roleRef = { kind: 'Role', name: 'r' };
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' };
const webhook = { name: 'a.b.example', sideEffects: 'None', admissionReviewVersions: ['v1'], clientConfig: { service: { name: 's', namespace: 'n' } }, rules: [{ operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }] };
const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } };
const crd = { metadata: { name: 'tests.a.example' }, spec: { group: 'a.example', scope: 'Namespaced', names: { plural: 'tests', kind: 'Test' }, versions: [version] } };
const storage = { provisioner: 'a.example/p' };

it.each<[string, KindDescriptor, object, object]>([
  ['a binding', roleBindingKind, { roleRef, subjects: [{ kind: 'User', name: 'u' }, { kind: 'ServiceAccount', name: 's' }] }, { roleRef: { apiGroup: 'rbac.authorization.k8s.io' }, subjects: [{ apiGroup: 'rbac.authorization.k8s.io' }, { name: 's' }] }],
  ['an autoscaler', horizontalPodAutoscalerKind, { spec: { maxReplicas: 3, scaleTargetRef, behavior: {} } }, { spec: { minReplicas: 1, metrics: [{ resource: { name: 'cpu', target: { averageUtilization: 80 } } }], behavior: { scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }, { type: 'Percent', value: 100, periodSeconds: 15 }] }, scaleDown: { policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] } } } }],
  ['webhooks', mutatingWebhookConfigurationKind, { webhooks: [webhook] }, { webhooks: [{ failurePolicy: 'Fail', matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {}, timeoutSeconds: 10, reinvocationPolicy: 'Never', clientConfig: { service: { port: 443 } }, rules: [{ scope: '*' }] }] }],
  ['a definition', customResourceDefinitionKind, crd, { spec: { names: { singular: 'test', listKind: 'TestList' }, conversion: { strategy: 'None' } } }],
  ['a storage class', storageClassKind, storage, { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' }],
  ['a priority', priorityClassKind, { value: 1 }, { preemptionPolicy: 'PreemptLowerPriority' }],
  ['a priority level', priorityLevelConfigurationKind, { spec: { type: 'Limited', limited: { limitResponse: { type: 'Queue', queuing: {} } } } }, { spec: { limited: { nominalConcurrencyShares: 30, lendablePercent: 0, limitResponse: { queuing: { queues: 64, handSize: 8, queueLengthLimit: 50 } } } } }],
  ['a driver', csiDriverKind, { spec: {} }, { spec: { attachRequired: true, podInfoOnMount: false, volumeLifecycleModes: ['Persistent'], fsGroupPolicy: 'ReadWriteOnceWithFSType' } }],
  ['a claim', resourceClaimKind, { spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'c' } }] } } }, { spec: { devices: { requests: [{ exactly: { allocationMode: 'ExactCount', count: 1 } }] } } }],
])('%s gets its defaults', (_, kind, object, expected) => expect(made(kind, object)).toMatchObject(expected));

it.each<[string, KindDescriptor, object, string[]]>([
  ['a role', roleKind, { rules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }] }, ['rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs']],
  ['a role for nothing', clusterRoleKind, { rules: [{ verbs: ['get'] }] }, ['rules[0].apiGroups: Required value: resource rules must supply at least one api group', 'rules[0].resources: Required value: resource rules must supply at least one resource']],
  ['a binding', clusterRoleBindingKind, { roleRef, subjects: [{ kind: 'ServiceAccount', name: 's' }] }, ['roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"', 'subjects[0].namespace: Required value']],
  ['an autoscaler', horizontalPodAutoscalerKind, { spec: { minReplicas: 5, maxReplicas: 3, scaleTargetRef } }, ['spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`']],
  ['an old autoscaler', horizontalPodAutoscalerV1Kind, { spec: { maxReplicas: 0, scaleTargetRef: { kind: 'Deployment' } } }, ['spec.maxReplicas: Invalid value: 0: must be greater than 0', 'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`', 'spec.scaleTargetRef.name: Required value']],
  ['a budget', podDisruptionBudgetKind, { spec: { minAvailable: 1, maxUnavailable: '101%' } }, ['spec: Invalid value: {"minAvailable":1,"maxUnavailable":"101%"}: minAvailable and maxUnavailable cannot be both set', 'spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%']],
  ['a webhook', validatingWebhookConfigurationKind, { webhooks: [{ ...webhook, name: 'short', timeoutSeconds: 31, clientConfig: {} }] }, ['webhooks[0].name: Invalid value: "short": should be a domain with at least three segments separated by dots', 'webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds', 'webhooks[0].clientConfig: Required value: exactly one of url or service is required']],
  ['a plain URL', validatingWebhookConfigurationKind, { webhooks: [{ ...webhook, clientConfig: { url: 'http://a' } }] }, ["webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]"]],
  ['a policy', validatingAdmissionPolicyKind, { spec: { validations: [{ expression: 'true' }] } }, ['spec.matchConstraints: Required value']],
  ['a policy binding', validatingAdmissionPolicyBindingKind, { spec: { policyName: 'p', validationActions: ['Deny', 'Warn'] } }, ['spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)']],
  ['a definition', customResourceDefinitionKind, crd, []],
  ['a misnamed definition', customResourceDefinitionKind, { ...crd, metadata: { name: 'x' } }, ['metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group']],
  ['a definition without schema', customResourceDefinitionKind, { ...crd, spec: { ...crd.spec, versions: [{ ...version, schema: undefined }] } }, ['spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required']],
  ['a schema with an untyped field', customResourceDefinitionKind, { ...crd, spec: { ...crd.spec, versions: [{ ...version, schema: { openAPIV3Schema: { type: 'object', properties: { a: {} } } } }] } }, ['spec.validation.openAPIV3Schema.properties[a].type: Required value: must not be empty for specified object fields']],
  ['two storage versions', customResourceDefinitionKind, { ...crd, spec: { ...crd.spec, versions: [version, { ...version, name: 'v2' }] } }, [`spec.versions: Invalid value: ${JSON.stringify([version, { ...version, name: 'v2' }])}: must have exactly one version marked as storage version`]],
  ['an API service', apiServiceKind, { metadata: { name: 'v1.g' }, spec: { group: 'g.example', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 } }, ['metadata.name: Invalid value: "v1.g": must be `spec.version+"."+spec.group`: "v1.g.example"']],
  ['a priority too high', priorityClassKind, { value: 1_000_000_001 }, ['value: Forbidden: maximum allowed value of a user defined priority is 1000000000']],
  ['a lease', leaseKind, { spec: { leaseDurationSeconds: 0 } }, ['spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0']],
  ['a flow', flowSchemaKind, { spec: { matchingPrecedence: 10_001 } }, ['spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000', 'spec.priorityLevelConfiguration.name: Required value: must reference a priority level']],
  ['an attachment', volumeAttachmentKind, { spec: { attacher: 'a', nodeName: 'n' } }, ['spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName']],
  ['a node of drivers', csiNodeKind, { spec: { drivers: [{ name: 'a', nodeID: '' }] } }, ['spec.drivers[0].nodeID: Required value']],
  ['a slice', resourceSliceKind, { spec: { driver: 'd.example', pool: { name: 'p', resourceSliceCount: 1 } } }, ['spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required']],
  ['a certificate', certificateSigningRequestKind, { spec: { request: '', signerName: 'a.example/b', usages: ['client auth'] } }, ['spec.request: Invalid value: "": PEM block type must be CERTIFICATE REQUEST']],
  ['a runtime', runtimeClassKind, { handler: 'a.b' }, ['handler: Invalid value: "a.b": must not contain dots']],
])('%s', (_, kind, object, expected) => expect(problems(kind, object)).toEqual(expected));

const attachment = { attacher: 'a.b', source: { persistentVolumeName: 'v' } };

it.each<[string, KindDescriptor, object, object, string[]]>([
  ['what is bound', roleBindingKind, { roleRef }, { roleRef: { ...roleRef, name: 'q' } }, ['roleRef: Invalid value: {"kind":"Role","name":"q","apiGroup":"rbac.authorization.k8s.io"}: cannot change roleRef']],
  ['a priority', priorityClassKind, { value: 1 }, { value: 2 }, ['value: Forbidden: may not be changed in an update.']],
  ['storage parameters', storageClassKind, storage, { ...storage, parameters: { a: 'b' } }, ['parameters: Forbidden: updates to parameters are forbidden.']],
  ['a handler', runtimeClassKind, { handler: 'a' }, { handler: 'b' }, ['handler: Invalid value: "b": field is immutable']],
  ['an attachment', volumeAttachmentKind, { spec: { ...attachment, nodeName: 'a' } }, { spec: { ...attachment, nodeName: 'b' } }, ['spec: Invalid value: {"attacher":"a.b","source":{"persistentVolumeName":"v"},"nodeName":"b"}: field is immutable']],
  ['a certificate request', certificateSigningRequestKind, { spec: { username: 'a' } }, { spec: { username: 'b' } }, []],
])('update of %s', (_, kind, old, next, expected) => expect(updateProblems(kind, { old, next })).toEqual(expected));

describe('certificate requests', () => {
  const judged = (type: string): object => ({ status: { conditions: [{ type, status: 'True' }] } });
  const approval = certificateSigningRequestKind.subresources.find(({ name }) => name === 'approval');

  it('are approved through /approval only', () => {
    const [old, next] = [made(certificateSigningRequestKind, {}), made(certificateSigningRequestKind, judged('Approved'))];
    expect(approval?.validateUpdate?.(next, old)).toEqual([]);
    expect(certificateSigningRequestKind.validateStatusUpdate(next, old)[0]?.message).toBe('Forbidden: updates may not add a condition of type "Approved"');
  });

  it('stay judged', () => {
    const [old, next] = [made(certificateSigningRequestKind, judged('Denied')), made(certificateSigningRequestKind, {})];
    expect(approval?.validateUpdate?.(next, old)[0]?.message).toBe('Forbidden: updates may not remove a condition of type "Denied"');
  });
});

it('a definition remembers the versions it stored', () => {
  const old = created(customResourceDefinitionKind, crd);
  expect(old.status?.storedVersions).toEqual(['v1']);
  const next = made(customResourceDefinitionKind, { ...crd, spec: { ...crd.spec, versions: [{ ...version, storage: false }, { ...version, name: 'v2' }] } });
  customResourceDefinitionKind.prepareForUpdate(next, old, context);
  expect(next.status?.storedVersions).toEqual(['v1', 'v2']);
});

it('events are the same under both groups', () => {
  const event = { metadata: { name: 'e', namespace: 'default' }, eventTime: '2026-01-01T00:00:00.000001Z', reportingController: 'c', reportingInstance: 'i', action: 'A', reason: 'R', type: 'Normal', note: 'n', regarding: { kind: 'Pod', name: 'p', namespace: 'default' } };
  const core = toCoreEvent(event);
  expect(core).toMatchObject({ apiVersion: 'v1', message: 'n', reportingComponent: 'c', involvedObject: { name: 'p' } });
  expect(fromCoreEvent(core)).toEqual({ ...event, apiVersion: 'events.k8s.io/v1', kind: 'Event', deprecatedSource: {} });
  expect(problems(eventsEventKind, event)).toEqual([]);
  expect(problems(eventsEventKind, { ...event, action: '' })).toEqual(['action: Required value']);
});

it('autoscalers survive the way through v1', () => {
  const object = {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'h', annotations: { mine: '1' } },
    spec: { maxReplicas: 3, minReplicas: 1, scaleTargetRef, metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }, { type: 'Pods', pods: { metric: { name: 'q' }, target: { type: 'AverageValue', averageValue: '1' } } }], behavior: { scaleUp: { selectPolicy: 'Max' } } },
    status: { currentReplicas: 1, desiredReplicas: 2 },
  };
  expect(fromV2(object).spec).toEqual({ maxReplicas: 3, minReplicas: 1, scaleTargetRef, targetCPUUtilizationPercentage: 50 });
  expect(toV2(fromV2(object))).toEqual(object);
});

it.each<[string, KindDescriptor, object, unknown[]]>([
  ['an autoscaler', horizontalPodAutoscalerKind, { spec: { maxReplicas: 3, scaleTargetRef }, status: { currentReplicas: 2, currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12 } } }] } }, ['Deployment/d', 'cpu: 12%/80%', '1', 3, 2, '10m']],
  ['an autoscaler that knows nothing', horizontalPodAutoscalerV1Kind, { spec: { maxReplicas: 3, scaleTargetRef } }, ['Deployment/d', 'cpu: <unknown>/80%', '1', 3, 0, '10m']],
  ['a binding', roleBindingKind, { roleRef }, ['Role/r', '10m']],
  ['a budget', podDisruptionBudgetKind, { spec: { minAvailable: '50%' }, status: { disruptionsAllowed: 1 } }, ['50%', 'N/A', 1, '10m']],
  ['a lease', leaseKind, { spec: { holderIdentity: 'h' } }, ['h', '10m']],
  ['a storage class', storageClassKind, storage, ['a.example/p', 'Delete', 'Immediate', false, '10m']],
  ['a driver', csiDriverKind, { spec: {} }, [true, false, false, '<unset>', false, 'Persistent', '10m']],
  ['an API service', apiServiceKind, { spec: { service: { namespace: 'n', name: 's' } }, status: { conditions: [{ type: 'Available', status: 'False', reason: 'Down' }] } }, ['n/s', 'False (Down)', '10m']],
  ['a certificate', certificateSigningRequestKind, { spec: { signerName: 's', username: 'u', expirationSeconds: 3600 }, status: { certificate: 'x', conditions: [{ type: 'Approved' }] } }, ['10m', 's', 'u', '60m', 'Approved,Issued']],
  ['a priority', priorityClassKind, { value: 7 }, [7, false, '10m', 'PreemptLowerPriority']],
  ['a flow', flowSchemaKind, { spec: { priorityLevelConfiguration: { name: 'p' } } }, ['p', '1000', '<none>', '10m', '?']],
  ['a claim', resourceClaimKind, { status: { allocation: {}, reservedFor: [{}] } }, ['allocated,reserved', '10m']],
  ['a role', roleKind, {}, ['2026-01-01T00:00:00Z']],
])('columns of %s', (_, kind, object, expected) => expect(cells(kind, object)).toEqual(expected));

it('marks the default storage class', () => {
  const object = { metadata: { name: 'fast', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } } };
  expect(storageClassKind.columns[0]?.cell(object, context)).toBe('fast (default)');
});
