import type { PluginFactory } from '../pipeline/index.ts';
import { certificateApproval, certificateRequester, certificateSigning, certificateSubjectRestriction } from './certificates.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { persistentVolumeClaimResize } from './persistent-volume-claim-resize.ts';
import { podSecurity } from './pod-security/index.ts';
import { podTopologyLabels } from './pod-topology-labels.ts';
import { priority } from './priority.ts';
import { resourceQuota } from './resource-quota.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccount } from './service-account.ts';
import { storageObjectInUseProtection } from './storage-object-in-use-protection.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';

/**
 * The built-in admission plug-ins in upstream's order. Webhooks come between these and `quotaAdmissionPlugin` (see
 * plugins.ts), and so would CEL policies.
 */
export const admissionPlugin: PluginFactory = (context) => {
  const { read, authorize } = context;
  return {
    admission: [
      namespaceLifecycle(context),
      limitRanger(read),
      serviceAccount(context),
      nodeRestriction(read),
      taintNodesByCondition,
      podSecurity(read),
      priority(context),
      defaultTolerationSeconds,
      defaultStorageClass(read),
      storageObjectInUseProtection,
      persistentVolumeClaimResize(read),
      runtimeClass(context),
      certificateRequester,
      certificateApproval(authorize),
      certificateSigning(authorize),
      certificateSubjectRestriction,
      defaultIngressClass(read),
      podTopologyLabels(read),
    ],
  };
};

/** Quota is booked last, when everything else has accepted the write. */
export const quotaAdmissionPlugin: PluginFactory = (context) => ({ admission: [resourceQuota(context)] });
