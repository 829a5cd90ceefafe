import type { PodDNSConfig, PodSpec, PodTemplateSpec } from '../../../../gen/types.ts';
import { ipFamily, ipMessage } from '../../../validation/addresses.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { checkAnnotations, checkLabels, inRange, maxInt32 } from '../../../validation/fields.ts';
import { dns1123Label, dns1123Subdomain } from '../../../validation/names.ts';
import { checkContainers, checkEphemeralContainers, checkInitContainers, type PodScope } from './container-validation.ts';
import { checkResourceQuantity, checkResources } from './resource-validation.ts';
import { checkAffinity, checkGates, checkTolerations, checkTopologySpread } from './scheduling-validation.ts';
import { checkPodSecurity } from './security-validation.ts';
import { checkVolumes } from './volume-validation.ts';

const dnsPolicies = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'];

function checkDnsConfig(config: PodDNSConfig | undefined, { policy, at }: { policy: string | undefined; at: FieldPath }): void {
  const nameservers = config?.nameservers ?? [];
  if (policy === 'None') {
    if (!config) return at.required("must provide `dnsConfig` when `dnsPolicy` is None");
    if (nameservers.length === 0) return at.child('nameservers').required('must provide at least one DNS nameserver when `dnsPolicy` is None');
  }
  if (!config) return;
  if (nameservers.length > 3) at.child('nameservers').invalid(nameservers, 'must not have more than 3 nameservers');
  for (const [i, server] of nameservers.entries()) if (!ipFamily(server)) at.child('nameservers').at(i).invalid(server, ipMessage);
  const searches = config.searches ?? [];
  if (searches.length > 32) at.child('searches').invalid(searches, 'must not have more than 32 search paths');
  for (const [i, search] of searches.entries()) {
    if (search !== '.') at.child('searches').at(i).matches(search.replace(/\.$/, ''), dns1123Subdomain);
  }
  for (const [i, option] of (config.options ?? []).entries()) if (!option.name) at.child('options').at(i).required('must not be empty');
}

function checkHostNetwork(spec: PodSpec, at: FieldPath): void {
  if (!spec.hostNetwork) return;
  for (const [list, containers] of [['containers', spec.containers ?? []], ['initContainers', spec.initContainers ?? []]] as const) {
    for (const [i, container] of containers.entries()) {
      for (const [p, port] of (container.ports ?? []).entries()) {
        if (port.hostPort === port.containerPort || port.hostPort === undefined) continue;
        at.child(list).at(i).child('ports').at(p).child('containerPort').invalid(port.containerPort, 'must match `hostPort` when `hostNetwork` is true');
      }
    }
  }
}

function checkNames(spec: PodSpec, at: FieldPath): void {
  for (const [i, secret] of (spec.imagePullSecrets ?? []).entries()) {
    if (!secret.name) at.child('imagePullSecrets').at(i).child('name').required();
  }
  if (spec.serviceAccountName) at.child('serviceAccountName').matches(spec.serviceAccountName, dns1123Subdomain);
  if (spec.nodeName) at.child('nodeName').matches(spec.nodeName, dns1123Subdomain);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined) for (const message of inRange(deadline, 1, maxInt32)) at.child('activeDeadlineSeconds').invalid(deadline, message);
  if (spec.hostname) at.child('hostname').matches(spec.hostname, dns1123Label);
  if (spec.subdomain) at.child('subdomain').matches(spec.subdomain, dns1123Label);
  if (spec.hostnameOverride) at.child('hostnameOverride').matches(spec.hostnameOverride, dns1123Subdomain);
  checkTolerations(spec.tolerations, at.child('tolerations'));
  for (const [i, alias] of (spec.hostAliases ?? []).entries()) {
    const path = at.child('hostAliases').at(i);
    if (!ipFamily(alias.ip)) path.child('ip').invalid(alias.ip, ipMessage);
    for (const hostname of alias.hostnames ?? []) path.child('hostnames').matches(hostname, dns1123Subdomain);
  }
  if (spec.priorityClassName) at.child('priorityClassName').matches(spec.priorityClassName, dns1123Subdomain);
  if (spec.runtimeClassName !== undefined) at.child('runtimeClassName').matches(spec.runtimeClassName, dns1123Subdomain);
  at.child('preemptionPolicy').oneOf(spec.preemptionPolicy, ['PreemptLowerPriority', 'Never']);
  for (const [name, quantity] of Object.entries(spec.overhead ?? {})) checkResourceQuantity(name, quantity, at.child('overhead').at(name));
}

function checkClaims(spec: PodSpec, at: FieldPath): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [i, claim] of (spec.resourceClaims ?? []).entries()) {
    const path = at.at(i);
    if (!claim.name) path.child('name').required();
    else if (names.has(claim.name)) path.child('name').duplicate(claim.name);
    names.add(claim.name);
    if (claim.resourceClaimName !== undefined && claim.resourceClaimTemplateName !== undefined) {
      path.invalid(claim, 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified');
    } else if (claim.resourceClaimName === undefined && claim.resourceClaimTemplateName === undefined) {
      path.invalid(claim, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`');
    }
  }
  return names;
}

/** Everything about a pod spec that the schema cannot say, in upstream's order. */
export function checkPodSpec(spec: PodSpec, at: FieldPath): void {
  checkVolumes(spec.volumes, at.child('volumes'));
  const claims = checkClaims(spec, at.child('resourceClaims'));
  const scope: PodScope = { spec, volumes: new Set((spec.volumes ?? []).map((volume) => volume.name)), claims };
  checkContainers(scope, at.child('containers'));
  checkInitContainers(scope, at.child('initContainers'));
  checkEphemeralContainers(scope, at.child('ephemeralContainers'));
  if (spec.resources) checkResources(spec.resources, { at: at.child('resources'), claims });
  checkHostNetwork(spec, at);
  at.child('restartPolicy').requiredOneOf(spec.restartPolicy, ['Always', 'OnFailure', 'Never']);
  at.child('dnsPolicy').requiredOneOf(spec.dnsPolicy, dnsPolicies);
  checkLabels(spec.nodeSelector, at.child('nodeSelector'));
  checkPodSecurity(spec, at.child('securityContext'));
  checkAffinity(spec.affinity, at.child('affinity'));
  checkDnsConfig(spec.dnsConfig, { policy: spec.dnsPolicy, at: at.child('dnsConfig') });
  checkGates(spec, at);
  checkTopologySpread(spec, at.child('topologySpreadConstraints'));
  if (spec.hostUsers === false && spec.hostPID) at.child('hostPID').forbidden('when `hostUsers` is false');
  if (spec.hostUsers === false && spec.hostIPC) at.child('hostIPC').forbidden('when `hostUsers` is false');
  checkNames(spec, at);
  if (spec.os) at.child('os').child('name').requiredOneOf(spec.os.name, ['linux', 'windows']);
}

/** A template: labels, annotations and the spec. Absent ephemeral containers and scheduling gates are the template's own rules. */
export function checkPodTemplate(template: PodTemplateSpec | undefined, at: FieldPath): void {
  checkLabels(template?.metadata?.labels, at.child('labels'));
  checkAnnotations(template?.metadata?.annotations, at.child('annotations'));
  const spec = template?.spec ?? { containers: [] };
  checkPodSpec(spec, at.child('spec'));
  if (spec.ephemeralContainers?.length) {
    at.child('spec').child('ephemeralContainers').forbidden('ephemeral containers not allowed in pod template');
  }
}
