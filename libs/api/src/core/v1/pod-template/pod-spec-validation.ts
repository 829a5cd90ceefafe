import type { ObjectMeta, PodDNSConfig, PodSpec, PodTemplateSpec, Volume } from '../../../../gen/types.ts';
import { ipProblems } from '../../../validation/addresses.ts';
import { type FieldPath, indexed } from '../../../validation/field-path.ts';
import { checkAnnotations, checkLabels, inRange, maxInt32 } from '../../../validation/fields.ts';
import { dns1123Label, dns1123Subdomain, dns1123SubdomainWithUnderscore } from '../../../validation/names.ts';
import { checkPodAnnotations, checkProfilesAgree, mirrorAnnotation } from './annotation-validation.ts';
import { allContainers, checkContainers, checkEphemeralContainers, checkInitContainers, type PodScope } from './container-validation.ts';
import { checkHostProcess, checkOs } from './os-validation.ts';
import { checkPodResources, checkResources } from './resource-validation.ts';
import { checkAffinity, checkGates, checkTolerations, checkTopologySpread } from './scheduling-validation.ts';
import { checkPodSecurity } from './security-validation.ts';
import { checkVolumes } from './volume-validation.ts';

const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
const maxNameservers = 3;
const maxSearches = 32;
const maxSearchCharacters = 2048;


function checkDnsConfig(config: PodDNSConfig | undefined, { policy, at }: { policy: string | undefined; at: FieldPath }): void {
  const nameservers = config?.nameservers ?? [];
  if (policy === 'None') {
    if (!config) return at.required('must provide `dnsConfig` when `dnsPolicy` is None');
    if (nameservers.length === 0) return at.child('nameservers').required('must provide at least one DNS nameserver when `dnsPolicy` is None');
  }
  if (!config) return;
  if (nameservers.length > maxNameservers) at.child('nameservers').invalid(nameservers, `must not have more than ${maxNameservers} nameservers`);
  for (const [i, server] of nameservers.entries()) for (const message of ipProblems(server)) at.child('nameservers').at(i).invalid(server, message);
  const searches = config.searches ?? [];
  const path = at.child('searches');
  if (searches.length > maxSearches) path.invalid(searches, `must not have more than ${maxSearches} search paths`);
  if (Buffer.byteLength(searches.join(' ')) > maxSearchCharacters) path.invalid(searches, `must not have more than ${maxSearchCharacters} characters (including spaces) in the search list`);
  for (const [i, search] of searches.entries()) {
    if (search !== '.') path.at(i).matches((search ?? '').replace(/\.$/, ''), dns1123SubdomainWithUnderscore);
  }
  for (const [i, option] of indexed(config.options)) if (!option.name) at.child('options').at(i).required('must not be empty');
}

/** In a template a host port may be left for the pod's defaults. */
function checkHostNetwork({ spec, isPod }: PodScope, at: FieldPath): void {
  if (!spec.hostNetwork) return;
  for (const [i, container] of indexed(spec.containers)) {
    for (const [p, { hostPort = 0, containerPort = 0 }] of indexed(container.ports)) {
      if (hostPort === containerPort || (!isPod && hostPort === 0)) continue;
      at.child('containers').at(i).child('ports').at(p).child('hostPort').invalid(hostPort, 'must match `containerPort` when `hostNetwork` is true');
    }
  }
}

function checkHostUsers(spec: PodSpec, at: FieldPath): void {
  if (spec.hostUsers !== false) return;
  const detail = 'when `hostUsers` is false';
  if (spec.hostNetwork) at.child('hostNetwork').forbidden(detail);
  if (spec.hostPID) at.child('HostPID').forbidden(detail);
  if (spec.hostIPC) at.child('HostIPC').forbidden(detail);
  for (const { container, at: where } of allContainers(spec, at)) if (container.volumeDevices?.length) where.child('volumeDevices').forbidden(detail);
}

const maxHostname = 64;

function checkHostnameOverride(spec: PodSpec, at: FieldPath): void {
  const name = spec.hostnameOverride;
  if (name === undefined) return;
  if (spec.setHostnameAsFQDN) at.forbidden('may not be specified when setHostnameAsFQDN is true');
  if (spec.hostNetwork) at.forbidden('may not be specified when hostNetwork is true');
  if (Buffer.byteLength(name) > maxHostname) at.tooLong(name, maxHostname);
  at.matches(name, dns1123Subdomain);
}

function checkNames(spec: PodSpec, at: FieldPath): void {
  checkHostnameOverride(spec, at.child('hostnameOverride'));
  if (spec.serviceAccountName) at.child('serviceAccountName').matches(spec.serviceAccountName, dns1123Subdomain);
  if (spec.nodeName) at.child('nodeName').matches(spec.nodeName, dns1123Subdomain);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined) for (const message of inRange(deadline, 1, maxInt32)) at.child('activeDeadlineSeconds').invalid(deadline, message);
  if (spec.hostname) at.child('hostname').matches(spec.hostname, dns1123Label);
  if (spec.subdomain) at.child('subdomain').matches(spec.subdomain, dns1123Label);
  checkTolerations(spec.tolerations, at.child('tolerations'));
  for (const [i, alias] of indexed(spec.hostAliases)) {
    const path = at.child('hostAliases').at(i);
    for (const message of ipProblems(alias.ip)) path.child('ip').invalid(alias.ip, message);
    for (const [h, hostname] of indexed(alias.hostnames)) path.child('hostnames').at(h).matches(hostname, dns1123Subdomain);
  }
  if (spec.priorityClassName) at.child('priorityClassName').matches(spec.priorityClassName, dns1123Subdomain);
  if (spec.runtimeClassName !== undefined) at.child('runtimeClassName').matches(spec.runtimeClassName, dns1123Subdomain);
  if (spec.preemptionPolicy !== undefined) at.child('preemptionPolicy').requiredOneOf(spec.preemptionPolicy, ['PreemptLowerPriority', 'Never']);
  if (spec.overhead) checkResources({ limits: spec.overhead }, { at: at.child('overhead'), claims: new Set() });
}

function checkClaims(spec: PodSpec, at: FieldPath): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [i, claim] of indexed(spec.resourceClaims)) {
    const path = at.at(i);
    const { name = '', resourceClaimName, resourceClaimTemplateName } = claim;
    if (!name) path.child('name').required();
    else if (names.has(name)) path.child('name').duplicate(name);
    else path.child('name').matches(name, dns1123Label);
    if (name) names.add(name);
    if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined) {
      path.invalid(claim, 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified');
    }
    if (resourceClaimName === undefined && resourceClaimTemplateName === undefined) {
      path.invalid(claim, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`');
    }
    if (resourceClaimName !== undefined) path.child('resourceClaimName').matches(resourceClaimName, dns1123Subdomain);
    if (resourceClaimTemplateName !== undefined) path.child('resourceClaimTemplateName').matches(resourceClaimTemplateName, dns1123Subdomain);
  }
  return names;
}

/** Files of variables lie in empty directories, which an init container fills. */
function checkFileVariables(spec: PodSpec, at: FieldPath): void {
  const volumes = new Map<string, Volume>((spec.volumes ?? []).map((volume) => [volume.name, volume]));
  for (const { container, at: where } of allContainers(spec, at)) {
    for (const [i, env] of indexed(container.env)) {
      const name = env.valueFrom?.fileKeyRef?.volumeName;
      if (!env.valueFrom?.fileKeyRef) continue;
      const path = where.child('env').at(i).child('valueFrom').child('fileKeyRef').child('volumeName');
      const volume = volumes.get(name ?? '');
      if (!volume) path.notFound(name ?? '');
      else if (!volume.emptyDir) path.invalid(name, 'referenced volume must be of type emptyDir');
    }
  }
}

/** Everything about a pod spec that the schema cannot say, in upstream's order. With metadata it is a pod's, without a template's. */
export function checkPodSpec(spec: PodSpec, at: FieldPath, metadata?: ObjectMeta): void {
  const isPod = metadata !== undefined;
  if (spec.terminationGracePeriodSeconds === undefined) at.child('terminationGracePeriodSeconds').required();
  const volumes = checkVolumes(spec.volumes, { at: at.child('volumes'), podName: metadata?.name, isPod });
  if (metadata?.annotations?.[mirrorAnnotation] !== undefined && spec.resourceClaims?.length) at.none().forbidden('static pods do not support resource claims');
  const claims = checkClaims(spec, at.child('resourceClaims'));
  const scope: PodScope = { spec, volumes, claims, isPod };
  checkContainers(scope, at.child('containers'));
  checkInitContainers(scope, at.child('initContainers'));
  checkEphemeralContainers(scope, at.child('ephemeralContainers'));
  checkPodResources(spec, { at: at.child('resources'), claims });
  checkHostNetwork(scope, at);
  at.child('restartPolicy').requiredOneOf(spec.restartPolicy, ['Always', 'OnFailure', 'Never']);
  at.child('dnsPolicy').requiredOneOf(spec.dnsPolicy, dnsPolicies);
  checkLabels(spec.nodeSelector, at.child('nodeSelector'));
  checkPodSecurity(spec, at.child('securityContext'));
  checkAffinity(spec.affinity, at.child('affinity'));
  checkDnsConfig(spec.dnsConfig, { policy: spec.dnsPolicy, at: at.child('dnsConfig') });
  checkGates(spec, at);
  checkTopologySpread(spec, at.child('topologySpreadConstraints'));
  checkHostProcess(spec, at);
  checkHostUsers(spec, at);
  checkNames(spec, at);
  checkOs(spec, at);
  checkFileVariables(spec, at);
}

/** A template: labels, annotations and the spec. Absent ephemeral containers are the template's own rule. */
export function checkPodTemplate(template: PodTemplateSpec | undefined, at: FieldPath): void {
  const annotations = template?.metadata?.annotations;
  const spec = template?.spec ?? { containers: [] };
  checkLabels(template?.metadata?.labels, at.child('labels'));
  checkAnnotations(annotations, at.child('annotations'));
  checkPodAnnotations(annotations, { spec, at: at.child('annotations') });
  checkPodSpec(spec, at.child('spec'));
  checkProfilesAgree(annotations, { spec, at: at.child('spec') });
  if (spec.ephemeralContainers?.length) {
    at.child('spec').child('ephemeralContainers').forbidden('ephemeral containers not allowed in pod template');
  }
}
