import type { AnyController } from '@orrery/controller';
import { isGateOn } from '@orrery/runtime';
import { horizontalPodAutoscaling } from './autoscaling/controller.ts';
import { tokenCleaner } from './bootstrap-tokens/cleaner.ts';
import { bootstrapSigner } from './bootstrap-tokens/signer.ts';
import { csrApprovingController, csrCleanerController, csrSigningController } from './certificates/controllers.ts';
import { podCertificateRequestCleaner } from './certificates/pod-request-cleaner.ts';
import type { CertificateSigner } from './certificates/signer.ts';
import { trustBundlePublisher } from './certificates/trust-bundle-publisher.ts';
import { cronJobController } from './cronjob/controller.ts';
import { daemonSetController } from './daemonset/controller.ts';
import { deploymentController } from './deployment/controller.ts';
import { disruptionController } from './disruption/controller.ts';
import { endpointsController } from './endpoints/endpoints-controller.ts';
import { endpointSliceMirroringController } from './endpoints/mirror-controller.ts';
import { endpointSliceController } from './endpoints/slice-controller.ts';
import { garbageCollector } from './garbage-collector/controller.ts';
import { jobController } from './job/controller.ts';
import { ttlAfterFinishedController } from './job/ttl-controller.ts';
import { namespaceController } from './namespace/controller.ts';
import { nodeIpamController } from './nodes/ipam-controller.ts';
import { nodeLifecycleController } from './nodes/lifecycle-controller.ts';
import { podGcController } from './nodes/pod-gc.ts';
import { taintEvictionController } from './nodes/taint-eviction.ts';
import { ttlController } from './nodes/ttl-controller.ts';
import { validatingAdmissionPolicyStatusController } from './policies/status-controller.ts';
import { resourceQuotaController } from './quota/controller.ts';
import { clusterRoleAggregationController } from './rbac/aggregation.ts';
import { replicaSetController, replicationControllerController } from './replicaset/controller.ts';
import { deviceTaintEvictionController } from './resource-claims/device-taint-eviction.ts';
import { resourceClaimController } from './resource-claims/controller.ts';
import { serviceCidrController } from './service-cidrs/controller.ts';
import { serviceAccountController } from './serviceaccount/default-service-account.ts';
import { legacyTokenCleaner } from './serviceaccount/legacy-token-cleaner.ts';
import { rootCaPublisher } from './serviceaccount/root-ca-publisher.ts';
import { tokenController } from './serviceaccount/token-controller.ts';
import type { SecretTokenSigner } from './serviceaccount/token-signer.ts';
import { type Settings, autoscalerOptions, periodMs, tokenCleanUpPeriodMs } from './settings.ts';
import { statefulSetController } from './statefulset/controller.ts';
import { storageVersionGarbageCollector } from './storage-versions/controller.ts';
import { storageVersionMigrator } from './storage-versions/migrator.ts';
import { attachDetachController } from './volumes/attach-detach.ts';
import { persistentVolumeBinder } from './volumes/binder.ts';
import { ephemeralVolumeController } from './volumes/ephemeral.ts';
import { persistentVolumeExpander } from './volumes/expander.ts';
import { localVolumeController } from './volumes/local/provisioner.ts';
import { attributesClassProtectionController, claimProtectionController, volumeProtectionController } from './volumes/protection.ts';
import { selinuxWarningController } from './volumes/selinux/controller.ts';

export interface ControllerOptions {
  readonly settings: Settings;
  /** The CA of the API server's certificate, for `kube-root-ca.crt`; without it that controller does not run. */
  readonly rootCaPem?: string | undefined;
  /** The cluster's CA, for certificate signing requests; without it nothing is approved or signed. */
  readonly signer?: CertificateSigner | undefined;
  /** The key of service account tokens, for Secrets that hold one; without it none is filled. */
  readonly tokenSigner?: SecretTokenSigner | undefined;
}

/** Every controller there is, in the order they start. */
export function allControllers(options: ControllerOptions): AnyController[] {
  const { rootCaPem, settings, signer, tokenSigner } = options;
  return [
    namespaceController,
    serviceAccountController,
    ...(rootCaPem ? [rootCaPublisher(rootCaPem)] : []),
    ...(tokenSigner ? [tokenController({ signer: tokenSigner, rootCaPem })] : []),
    legacyTokenCleaner({ periodMs: tokenCleanUpPeriodMs(settings) }),
    bootstrapSigner,
    tokenCleaner,
    replicaSetController,
    replicationControllerController,
    deploymentController,
    daemonSetController,
    statefulSetController({ hasMaxUnavailable: isGateOn(settings.featureGates, 'MaxUnavailableStatefulSet') }),
    endpointSliceController({ maxEndpoints: settings.maxEndpointsPerSlice }),
    endpointsController,
    endpointSliceMirroringController({ maxEndpoints: settings.mirroringMaxEndpointsPerSubset }),
    jobController,
    ttlAfterFinishedController,
    cronJobController,
    resourceClaimController,
    deviceTaintEvictionController,
    disruptionController,
    horizontalPodAutoscaling(autoscalerOptions(settings)),
    resourceQuotaController(),
    clusterRoleAggregationController,
    claimProtectionController,
    volumeProtectionController,
    attributesClassProtectionController,
    serviceCidrController,
    persistentVolumeBinder({ provisions: settings.enableDynamicProvisioning }),
    persistentVolumeExpander,
    attachDetachController({ mayForce: !settings.disableForceDetachOnTimeout }),
    ephemeralVolumeController,
    localVolumeController,
    selinuxWarningController,
    ...(settings.allocateNodeCidrs ? [nodeIpamController(settings)] : []),
    nodeLifecycleController(settings),
    taintEvictionController,
    ttlController,
    podGcController(settings),
    ...(settings.enableGarbageCollector ? [garbageCollector()] : []),
    ...(signer ? [csrApprovingController(signer), csrSigningController(signer, { longestMs: periodMs(settings, 'clusterSigningDuration') })] : []),
    csrCleanerController,
    validatingAdmissionPolicyStatusController,
    storageVersionGarbageCollector,
    ...(isGateOn(settings.featureGates, 'StorageVersionMigrator') ? [storageVersionMigrator] : []),
    ...(isGateOn(settings.featureGates, 'PodCertificateRequest') ? [podCertificateRequestCleaner] : []),
    ...(rootCaPem && isGateOn(settings.featureGates, 'ClusterTrustBundle') ? [trustBundlePublisher(rootCaPem)] : []),
  ];
}
