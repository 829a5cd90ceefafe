import {
  mutatingAdmissionPolicyBindingV1alpha1Kind, mutatingAdmissionPolicyBindingV1beta1Kind, mutatingAdmissionPolicyV1alpha1Kind, mutatingAdmissionPolicyV1beta1Kind,
} from './admissionregistration/mutating-policy-versions.ts';
import { mutatingAdmissionPolicyBindingKind } from './admissionregistration/v1/mutating-admission-policy-binding.ts';
import { mutatingAdmissionPolicyKind } from './admissionregistration/v1/mutating-admission-policy.ts';
import { mutatingWebhookConfigurationKind } from './admissionregistration/v1/mutating-webhook-configuration.ts';
import { validatingAdmissionPolicyBindingKind } from './admissionregistration/v1/validating-admission-policy-binding.ts';
import { validatingAdmissionPolicyKind } from './admissionregistration/v1/validating-admission-policy.ts';
import { validatingWebhookConfigurationKind } from './admissionregistration/v1/validating-webhook-configuration.ts';
import { customResourceDefinitionKind } from './apiextensions/v1/custom-resource-definition.ts';
import { apiServiceKind } from './apiregistration/v1/api-service.ts';
import { storageVersionKind } from './apiserverinternal/v1alpha1/storage-version.ts';
import { controllerRevisionKind } from './apps/v1/controller-revision.ts';
import { daemonSetKind } from './apps/v1/daemon-set.ts';
import { deploymentKind } from './apps/v1/deployment.ts';
import { replicaSetKind } from './apps/v1/replica-set.ts';
import { statefulSetKind } from './apps/v1/stateful-set.ts';
import { selfSubjectReviewKind } from './authentication/v1/self-subject-review.ts';
import { tokenReviewKind } from './authentication/v1/token-review.ts';
import { localSubjectAccessReviewKind } from './authorization/v1/local-subject-access-review.ts';
import { selfSubjectAccessReviewKind } from './authorization/v1/self-subject-access-review.ts';
import { selfSubjectRulesReviewKind } from './authorization/v1/self-subject-rules-review.ts';
import { subjectAccessReviewKind } from './authorization/v1/subject-access-review.ts';
import { horizontalPodAutoscalerV1Kind } from './autoscaling/v1/horizontal-pod-autoscaler.ts';
import { horizontalPodAutoscalerKind } from './autoscaling/v2/horizontal-pod-autoscaler.ts';
import { cronJobKind } from './batch/v1/cron-job.ts';
import { jobKind } from './batch/v1/job.ts';
import { certificateSigningRequestKind } from './certificates/v1/certificate-signing-request.ts';
import { clusterTrustBundleKind } from './certificates/v1beta1/cluster-trust-bundle.ts';
import { podCertificateRequestKind } from './certificates/v1beta1/pod-certificate-request.ts';
import { leaseKind } from './coordination/v1/lease.ts';
import { leaseCandidateKind } from './coordination/v1beta1/lease-candidate.ts';
import { bindingKind } from './core/v1/binding.ts';
import { componentStatusKind } from './core/v1/component-status.ts';
import { configMapKind } from './core/v1/config-map.ts';
import { endpointsKind } from './core/v1/endpoints.ts';
import { eventKind } from './core/v1/event.ts';
import { limitRangeKind } from './core/v1/limit-range.ts';
import { namespaceKind } from './core/v1/namespace.ts';
import { nodeKind } from './core/v1/node.ts';
import { persistentVolumeClaimKind } from './core/v1/persistent-volume-claim.ts';
import { persistentVolumeKind } from './core/v1/persistent-volume.ts';
import { podTemplateKind } from './core/v1/pod-template.ts';
import { podKind } from './core/v1/pod.ts';
import { replicationControllerKind } from './core/v1/replication-controller.ts';
import { resourceQuotaKind } from './core/v1/resource-quota.ts';
import { secretKind } from './core/v1/secret.ts';
import { serviceAccountKind } from './core/v1/service-account.ts';
import { serviceKind } from './core/v1/service.ts';
import { endpointSliceKind } from './discovery/v1/endpoint-slice.ts';
import { earlierKinds } from './earlier-kinds.ts';
import { eventsEventKind } from './events/v1/event.ts';
import { flowSchemaKind } from './flowcontrol/v1/flow-schema.ts';
import { priorityLevelConfigurationKind } from './flowcontrol/v1/priority-level-configuration.ts';
import { ingressClassKind } from './networking/v1/ingress-class.ts';
import { ingressKind } from './networking/v1/ingress.ts';
import { ipAddressKind } from './networking/v1/ip-address.ts';
import { networkPolicyKind } from './networking/v1/network-policy.ts';
import { serviceCidrKind } from './networking/v1/service-cidr.ts';
import { runtimeClassKind } from './node/v1/runtime-class.ts';
import { podDisruptionBudgetKind } from './policy/v1/pod-disruption-budget.ts';
import { clusterRoleBindingKind } from './rbac/v1/cluster-role-binding.ts';
import { clusterRoleKind } from './rbac/v1/cluster-role.ts';
import { roleBindingKind } from './rbac/v1/role-binding.ts';
import { roleKind } from './rbac/v1/role.ts';
import { deviceClassKind } from './resource/v1/device-class.ts';
import { resourceClaimTemplateKind } from './resource/v1/resource-claim-template.ts';
import { resourceClaimKind } from './resource/v1/resource-claim.ts';
import { resourceSliceKind } from './resource/v1/resource-slice.ts';
import { resourcePoolStatusRequestKind } from './resource/v1alpha3/resource-pool-status-request.ts';
import { deviceTaintRuleKind } from './resource/v1beta2/device-taint-rule.ts';
import { priorityClassKind } from './scheduling/v1/priority-class.ts';
import { podGroupKind } from './scheduling/v1alpha2/pod-group.ts';
import { workloadKind } from './scheduling/v1alpha2/workload.ts';
import { csiDriverKind } from './storage/v1/csi-driver.ts';
import { csiNodeKind } from './storage/v1/csi-node.ts';
import { csiStorageCapacityKind } from './storage/v1/csi-storage-capacity.ts';
import { storageClassKind } from './storage/v1/storage-class.ts';
import { volumeAttachmentKind } from './storage/v1/volume-attachment.ts';
import { volumeAttributesClassKind } from './storage/v1/volume-attributes-class.ts';
import { storageVersionMigrationKind } from './storagemigration/v1beta1/storage-version-migration.ts';
import type { KindDescriptor } from './kind.ts';

/** Every built-in kind, in the order of discovery: which group comes first decides what an ambiguous short name means. */
export const allKinds: readonly KindDescriptor[] = [
  bindingKind,
  componentStatusKind,
  configMapKind,
  endpointsKind,
  eventKind,
  limitRangeKind,
  namespaceKind,
  nodeKind,
  persistentVolumeClaimKind,
  persistentVolumeKind,
  podKind,
  podTemplateKind,
  replicationControllerKind,
  resourceQuotaKind,
  secretKind,
  serviceAccountKind,
  serviceKind,
  apiServiceKind,
  controllerRevisionKind,
  daemonSetKind,
  deploymentKind,
  replicaSetKind,
  statefulSetKind,
  eventsEventKind,
  selfSubjectReviewKind,
  tokenReviewKind,
  localSubjectAccessReviewKind,
  selfSubjectAccessReviewKind,
  selfSubjectRulesReviewKind,
  subjectAccessReviewKind,
  horizontalPodAutoscalerKind,
  horizontalPodAutoscalerV1Kind,
  cronJobKind,
  jobKind,
  certificateSigningRequestKind,
  clusterTrustBundleKind,
  podCertificateRequestKind,
  ingressClassKind,
  ingressKind,
  ipAddressKind,
  networkPolicyKind,
  serviceCidrKind,
  podDisruptionBudgetKind,
  clusterRoleBindingKind,
  clusterRoleKind,
  roleBindingKind,
  roleKind,
  csiDriverKind,
  csiNodeKind,
  csiStorageCapacityKind,
  storageClassKind,
  volumeAttachmentKind,
  volumeAttributesClassKind,
  mutatingWebhookConfigurationKind,
  validatingAdmissionPolicyKind,
  validatingAdmissionPolicyBindingKind,
  validatingWebhookConfigurationKind,
  mutatingAdmissionPolicyKind,
  mutatingAdmissionPolicyBindingKind,
  mutatingAdmissionPolicyV1beta1Kind,
  mutatingAdmissionPolicyBindingV1beta1Kind,
  mutatingAdmissionPolicyV1alpha1Kind,
  mutatingAdmissionPolicyBindingV1alpha1Kind,
  customResourceDefinitionKind,
  priorityClassKind,
  podGroupKind,
  workloadKind,
  leaseKind,
  leaseCandidateKind,
  runtimeClassKind,
  endpointSliceKind,
  deviceClassKind,
  resourceClaimKind,
  resourceClaimTemplateKind,
  resourceSliceKind,
  deviceTaintRuleKind,
  resourcePoolStatusRequestKind,
  flowSchemaKind,
  priorityLevelConfigurationKind,
  storageVersionKind,
  storageVersionMigrationKind,
  ...earlierKinds,
];
