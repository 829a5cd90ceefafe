import { ConfigError } from '@orrery/runtime';
import { isFeatureOn } from '../feature-gates.ts';
import type { AdmissionPlugin, PluginContext, PluginFactory } from '../pipeline/index.ts';
import { alwaysAdmit, alwaysDeny } from './always.ts';
import { alwaysPullImages } from './always-pull-images.ts';
import { limitPodHardAntiAffinityTopology } from './anti-affinity-topology.ts';
import { certificateApproval, certificateRequester, certificateSigning, certificateSubjectRestriction, clusterTrustBundleAttest } from './certificates.ts';
import { pluginConfigurations } from './configuration.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { denyServiceExternalIps } from './deny-service-external-ips.ts';
import { deviceAdminAccess } from './device-admin-access.ts';
import { eventRateLimit } from './event-rate-limit.ts';
import { extendedResourceToleration } from './extended-resource-toleration.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceAutoProvision, namespaceExists } from './namespace-existence.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { ownerReferencesPermissionEnforcement } from './owner-references.ts';
import { persistentVolumeClaimResize } from './persistent-volume-claim-resize.ts';
import { podNodeSelector } from './pod-node-selector.ts';
import { podSecurity } from './pod-security/index.ts';
import { podSecurityMeters } from './pod-security/meters.ts';
import { defaultSettings, podSecuritySettings } from './pod-security/settings.ts';
import { podTolerationRestriction } from './pod-toleration-restriction.ts';
import { podTopologyLabels } from './pod-topology-labels.ts';
import { mutatingAdmissionPolicy, validatingAdmissionPolicy } from './policies/index.ts';
import { paramPermissions } from './policies/param-permissions.ts';
import { priority } from './priority.ts';
import { resourceQuota } from './resource-quota.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccount } from './service-account.ts';
import { storageObjectInUseProtection } from './storage-object-in-use-protection.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';
import { createCaller } from './webhooks/caller.ts';
import { mutatingWebhooks, validatingWebhooks } from './webhooks/index.ts';

interface Entry {
  readonly name: string;
  /** Off unless enabled by name. */
  readonly isOff?: boolean;
  /** `configuration` is the plug-in's own, from the AdmissionConfiguration; undefined without. */
  make(context: PluginContext, configuration: unknown): AdmissionPlugin;
}

/**
 * All admission plug-ins in upstream's order. On and off by default are those of kube-apiserver, and NodeRestriction is on,
 * as it is in clusters that kubeadm makes.
 */
const entries: readonly Entry[] = [
  { name: 'AlwaysAdmit', isOff: true, make: () => alwaysAdmit },
  { name: 'NamespaceAutoProvision', isOff: true, make: namespaceAutoProvision },
  { name: 'NamespaceLifecycle', make: namespaceLifecycle },
  { name: 'NamespaceExists', isOff: true, make: namespaceExists },
  { name: 'LimitPodHardAntiAffinityTopology', isOff: true, make: () => limitPodHardAntiAffinityTopology },
  { name: 'LimitRanger', make: ({ read }) => limitRanger(read) },
  { name: 'ServiceAccount', make: serviceAccount },
  { name: 'NodeRestriction', make: nodeRestriction },
  { name: 'TaintNodesByCondition', make: () => taintNodesByCondition },
  { name: 'AlwaysPullImages', isOff: true, make: () => alwaysPullImages },
  { name: 'PodSecurity', make: ({ read, env }, configuration) => podSecurity(read, configuration === undefined ? defaultSettings : podSecuritySettings(configuration), podSecurityMeters(env.metrics)) },
  { name: 'PodNodeSelector', isOff: true, make: podNodeSelector },
  { name: 'Priority', make: priority },
  { name: 'DefaultTolerationSeconds', make: () => defaultTolerationSeconds },
  { name: 'PodTolerationRestriction', isOff: true, make: podTolerationRestriction },
  { name: 'EventRateLimit', isOff: true, make: ({ env }, configuration) => eventRateLimit(configuration, env.clock) },
  { name: 'ExtendedResourceToleration', isOff: true, make: () => extendedResourceToleration },
  { name: 'DefaultStorageClass', make: ({ read }) => defaultStorageClass(read) },
  { name: 'StorageObjectInUseProtection', make: () => storageObjectInUseProtection },
  { name: 'OwnerReferencesPermissionEnforcement', isOff: true, make: ownerReferencesPermissionEnforcement },
  { name: 'PersistentVolumeClaimResize', make: ({ read }) => persistentVolumeClaimResize(read) },
  { name: 'RuntimeClass', make: runtimeClass },
  { name: 'CertificateApproval', make: ({ authorize }) => certificateApproval(authorize) },
  { name: 'CertificateSigning', make: ({ authorize }) => certificateSigning(authorize) },
  { name: 'ClusterTrustBundleAttest', make: ({ authorize }) => clusterTrustBundleAttest(authorize) },
  { name: 'CertificateSubjectRestriction', make: () => certificateSubjectRestriction },
  { name: 'DefaultIngressClass', make: ({ read }) => defaultIngressClass(read) },
  { name: 'DenyServiceExternalIPs', isOff: true, make: () => denyServiceExternalIps },
  { name: 'PodTopologyLabels', make: ({ read }) => podTopologyLabels(read) },
  { name: 'MutatingAdmissionPolicy', make: mutatingAdmissionPolicy },
  { name: 'MutatingAdmissionWebhook', make: (context) => mutatingWebhooks(context, createCaller(context)) },
  { name: 'ValidatingAdmissionPolicy', make: validatingAdmissionPolicy },
  { name: 'ValidatingAdmissionWebhook', make: (context) => validatingWebhooks(context, createCaller(context)) },
  // Quota is booked when everything else has accepted the write.
  { name: 'ResourceQuota', make: resourceQuota },
  { name: 'AlwaysDeny', isOff: true, make: () => alwaysDeny },
];

const known = new Set(entries.map(({ name }) => name));

function checkNames(flag: string, names: readonly string[]): void {
  const [unknown] = names.filter((name) => !known.has(name));
  if (unknown !== undefined) throw new ConfigError(`${flag} plugin ${JSON.stringify(unknown)} is unknown`);
}

/** The plug-ins that run, by the flags. Throws ConfigError for names that nobody knows, and for those that are on both lists. */
export function enabledPlugins({ enable, disable }: { enable: readonly string[]; disable: readonly string[] }): readonly Entry[] {
  checkNames('enable-admission-plugins', enable);
  checkNames('disable-admission-plugins', disable);
  const both = enable.filter((name) => disable.includes(name));
  if (both.length) throw new ConfigError(`[${both.join(' ')}] in enable-admission-plugins and disable-admission-plugins overlapped`);
  return entries.filter(({ name, isOff }) => (isOff ? enable.includes(name) : !disable.includes(name)));
}

/** Admission: what `--enable-admission-plugins` and `--disable-admission-plugins` leave of it, in order. */
export const admissionPlugin: PluginFactory = (context) => {
  const { enableAdmissionPlugins: enable, disableAdmissionPlugins: disable, admissionControlConfigFile } = context.config;
  const configurations = pluginConfigurations(admissionControlConfigFile);
  const hasLabels = isFeatureOn(context.config.featureGates, 'PodTopologyLabelsAdmission');
  const enabled = enabledPlugins({ enable, disable }).filter(({ name }) => hasLabels || name !== 'PodTopologyLabels');
  // Upstream does these three in its registry, whatever the flags.
  return { startHooks: ['start-apiserver-admission-initializer'], admission: [certificateRequester, paramPermissions(context), deviceAdminAccess(context), ...enabled.map(({ name, make }) => make(context, configurations.get(name)))] };
};
