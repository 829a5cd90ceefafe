/**
 * What the OpenAPI document does not say about Go's structs: whether a scalar is a pointer (its zero value is kept) or
 * a plain value with `omitempty` (its zero value is dropped). Numbers and booleans are mostly pointers, strings mostly
 * plain, so only the exceptions are listed, as `Definition.field` (all versions).
 */
export const plainNumbersAndBooleans = new Set(
  `ValidatingAdmissionPolicyStatus.observedGeneration
DaemonSetSpec.minReadySeconds DaemonSetStatus.numberAvailable DaemonSetStatus.numberUnavailable DaemonSetStatus.observedGeneration
DaemonSetStatus.updatedNumberScheduled
DeploymentSpec.minReadySeconds DeploymentSpec.paused DeploymentStatus.availableReplicas DeploymentStatus.observedGeneration
DeploymentStatus.readyReplicas DeploymentStatus.replicas DeploymentStatus.unavailableReplicas DeploymentStatus.updatedReplicas
ReplicaSetSpec.minReadySeconds ReplicaSetStatus.availableReplicas ReplicaSetStatus.fullyLabeledReplicas ReplicaSetStatus.observedGeneration
ReplicaSetStatus.readyReplicas StatefulSetSpec.minReadySeconds StatefulSetStatus.currentReplicas StatefulSetStatus.observedGeneration
StatefulSetStatus.readyReplicas StatefulSetStatus.updatedReplicas
TokenReviewStatus.authenticated SubjectAccessReviewStatus.denied HorizontalPodAutoscalerStatus.currentReplicas
JobStatus.active JobStatus.failed JobStatus.succeeded
AWSElasticBlockStoreVolumeSource.partition AWSElasticBlockStoreVolumeSource.readOnly AzureFilePersistentVolumeSource.readOnly
AzureFileVolumeSource.readOnly CSIPersistentVolumeSource.readOnly CephFSPersistentVolumeSource.readOnly CephFSVolumeSource.readOnly
CinderPersistentVolumeSource.readOnly CinderVolumeSource.readOnly FCVolumeSource.readOnly FlexPersistentVolumeSource.readOnly
FlexVolumeSource.readOnly GCEPersistentDiskVolumeSource.partition GCEPersistentDiskVolumeSource.readOnly GlusterfsPersistentVolumeSource.readOnly
GlusterfsVolumeSource.readOnly ISCSIPersistentVolumeSource.chapAuthDiscovery ISCSIPersistentVolumeSource.chapAuthSession
ISCSIPersistentVolumeSource.readOnly ISCSIVolumeSource.chapAuthDiscovery ISCSIVolumeSource.chapAuthSession ISCSIVolumeSource.readOnly
NFSVolumeSource.readOnly PersistentVolumeClaimVolumeSource.readOnly PortworxVolumeSource.readOnly QuobyteVolumeSource.readOnly
RBDPersistentVolumeSource.readOnly RBDVolumeSource.readOnly ScaleIOPersistentVolumeSource.readOnly ScaleIOPersistentVolumeSource.sslEnabled
ScaleIOVolumeSource.readOnly ScaleIOVolumeSource.sslEnabled StorageOSPersistentVolumeSource.readOnly StorageOSVolumeSource.readOnly
VolumeMount.readOnly VolumeMountStatus.readOnly
Container.stdin Container.stdinOnce Container.tty EphemeralContainer.stdin EphemeralContainer.stdinOnce EphemeralContainer.tty
ContainerImage.sizeBytes ContainerPort.hostPort ContainerStateTerminated.signal Event.count EventSeries.count Event.deprecatedCount
NodeSpec.unschedulable PodCondition.observedGeneration PodStatus.observedGeneration PodSpec.hostIPC PodSpec.hostNetwork PodSpec.hostPID
Probe.failureThreshold Probe.initialDelaySeconds Probe.periodSeconds Probe.successThreshold Probe.timeoutSeconds
ReplicationControllerSpec.minReadySeconds ReplicationControllerStatus.availableReplicas ReplicationControllerStatus.fullyLabeledReplicas
ReplicationControllerStatus.observedGeneration ReplicationControllerStatus.readyReplicas
ServicePort.nodePort ServiceSpec.healthCheckNodePort ServiceSpec.publishNotReadyAddresses
QueuingConfiguration.handSize QueuingConfiguration.queueLengthLimit QueuingConfiguration.queues ResourcePolicyRule.clusterScope
ServiceBackendPort.number PodDisruptionBudgetStatus.observedGeneration DeviceSubRequest.count ExactDeviceRequest.count DeviceRequest.count
PriorityClass.globalDefault CustomResourceColumnDefinition.priority CustomResourceDefinitionCondition.observedGeneration
CustomResourceDefinitionSpec.preserveUnknownFields CustomResourceDefinitionStatus.observedGeneration CustomResourceDefinitionVersion.deprecated
JSONSchemaProps.exclusiveMaximum JSONSchemaProps.exclusiveMinimum JSONSchemaProps.nullable JSONSchemaProps.uniqueItems
JSONSchemaProps.x-kubernetes-embedded-resource JSONSchemaProps.x-kubernetes-int-or-string
Condition.observedGeneration ObjectMeta.generation Status.code StatusDetails.retryAfterSeconds APIServiceSpec.insecureSkipTLSVerify
APIResource.namespaced`.split(/\s+/),
);

/** Strings where the empty string says something that absence does not. */
export const pointerStrings = new Set(
  `TypedLocalObjectReference.apiGroup TypedObjectReference.apiGroup TypedObjectReference.namespace
IngressClassParametersReference.apiGroup IngressClassParametersReference.namespace IngressClassParametersReference.scope
PersistentVolumeClaimSpec.storageClassName PersistentVolumeClaimSpec.volumeAttributesClassName PersistentVolumeSpec.volumeAttributesClassName
PersistentVolumeClaimStatus.currentVolumeAttributesClassName IngressSpec.ingressClassName PodSpec.runtimeClassName PodSpec.hostnameOverride
ServiceSpec.loadBalancerClass ServicePort.appProtocol EndpointPort.appProtocol Endpoint.hostname Endpoint.nodeName Endpoint.zone EndpointAddress.nodeName
LeaseSpec.holderIdentity LeaseSpec.preferredHolder LeaseSpec.strategy GRPCAction.service HostPathVolumeSource.type CronJobSpec.timeZone JobSpec.managedBy
WindowsSecurityContextOptions.gmsaCredentialSpec WindowsSecurityContextOptions.gmsaCredentialSpecName WindowsSecurityContextOptions.runAsUserName
PodDNSConfigOption.value SeccompProfile.localhostProfile AppArmorProfile.localhostProfile WebhookClientConfig.url ServiceReference.path
DeviceAttribute.string DeviceAttribute.version PodResourceClaim.resourceClaimName PodResourceClaim.resourceClaimTemplateName
PodResourceClaimStatus.resourceClaimName ResourceSliceSpec.nodeName Device.nodeName BasicDevice.nodeName Preconditions.uid Preconditions.resourceVersion
VolumeAttachmentSource.persistentVolumeName CustomResourceDefinitionVersion.deprecationWarning CustomResourceSubresourceScale.labelSelectorPath
JSONSchemaProps.$ref ClusterTrustBundleProjection.name ClusterTrustBundleProjection.signerName
SuccessPolicyRule.succeededIndexes JobStatus.failedIndexes PodFailurePolicyOnExitCodesRequirement.containerName`.split(/\s+/),
);

/** `EndpointPort.name` and `.protocol` are pointers in discovery but plain in core. */
export const pointerStringsByPackage = new Set(['io.k8s.api.discovery.v1.EndpointPort.name', 'io.k8s.api.discovery.v1.EndpointPort.protocol']);

/** Structs merged as one value by server-side apply (upstream's `+structType=atomic`), without their package. */
export const atomicStructs = new Set(
  `io.k8s.api.admissionregistration.v1.MatchResources io.k8s.api.admissionregistration.v1.NamedRuleWithOperations
io.k8s.api.admissionregistration.v1.ParamKind io.k8s.api.admissionregistration.v1.ParamRef
io.k8s.api.admissionregistration.v1beta1.MatchResources io.k8s.api.admissionregistration.v1beta1.NamedRuleWithOperations
io.k8s.api.admissionregistration.v1beta1.ParamKind io.k8s.api.admissionregistration.v1beta1.ParamRef
io.k8s.api.admissionregistration.v1alpha1.MatchResources io.k8s.api.admissionregistration.v1alpha1.NamedRuleWithOperations
io.k8s.api.admissionregistration.v1alpha1.ParamKind io.k8s.api.admissionregistration.v1alpha1.ParamRef
io.k8s.api.autoscaling.v1.CrossVersionObjectReference io.k8s.api.core.v1.ConfigMapKeySelector io.k8s.api.core.v1.EndpointAddress
io.k8s.api.core.v1.EndpointPort io.k8s.api.core.v1.FileKeySelector io.k8s.api.core.v1.LocalObjectReference io.k8s.api.core.v1.NodeSelector
io.k8s.api.core.v1.NodeSelectorTerm io.k8s.api.core.v1.ObjectFieldSelector io.k8s.api.core.v1.ObjectReference
io.k8s.api.core.v1.ResourceFieldSelector io.k8s.api.core.v1.ScopeSelector io.k8s.api.core.v1.ScopedResourceSelectorRequirement
io.k8s.api.core.v1.SecretKeySelector io.k8s.api.core.v1.SecretReference io.k8s.api.core.v1.TopologySelectorTerm
io.k8s.api.core.v1.TypedLocalObjectReference io.k8s.api.discovery.v1.EndpointPort io.k8s.api.rbac.v1.RoleRef io.k8s.api.rbac.v1.Subject
io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference`.split(/\s+/),
);

/** Defaults of list-map keys, which identify an item even where the client leaves them out. */
export const keyDefaults: Readonly<Record<string, string>> = {
  'io.k8s.api.core.v1.ContainerPort.protocol': 'TCP',
  'io.k8s.api.core.v1.ServicePort.protocol': 'TCP',
};

/** Structs that are plain values in Go: always there, empty or not, so nobody becomes their owner by creating them. */
const valueStructNames = new Set('metadata spec status strategy updateStrategy jobTemplate resources state lastState source involvedObject loadBalancer daemonEndpoints kubeletEndpoint nodeInfo'.split(' '));
const pointerStructs = new Set(['ReplicationControllerSpec.template', 'StatusDetails.metadata']);

export function isValueStruct(definition: string, field: string, target: string): boolean {
  const key = `${definition.slice(definition.lastIndexOf('.') + 1)}.${field}`;
  return !pointerStructs.has(key) && (valueStructNames.has(field) || target.endsWith('.PodTemplateSpec'));
}
