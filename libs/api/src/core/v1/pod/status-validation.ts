import type { FieldError } from '@orrery/errors';
import type { Container, ContainerStatus, Pod, PodSpec, PodStatus } from '../../../../gen/types.ts';
import { ipProblems, isDualStack } from '../../../validation/addresses.ts';
import { type FieldPath, findProblems, indexed } from '../../../validation/field-path.ts';
import { checkId, checkImmutable } from '../../../validation/fields.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from '../../../validation/names.ts';
import { checkAnnotationUpdate } from '../pod-template/annotation-validation.ts';

const ownConditions = new Set(['PodScheduled', 'Ready', 'Initialized']);

function checkConditions({ conditions }: PodStatus, at: FieldPath): void {
  for (const [i, { type, observedGeneration = 0 }] of indexed(conditions)) {
    if (observedGeneration < 0) at.at(i).child('observedGeneration').invalid(observedGeneration, 'must be a non-negative integer');
    if (!ownConditions.has(type)) at.at(i).child('Type').matches(type, qualifiedName);
  }
}

/** By the container's own rules, its policy, or the pod's. */
function mayRestart(exitCode: number, { container, spec }: { container: Container | undefined; spec: PodSpec }): boolean {
  for (const { exitCodes, action } of container?.restartPolicyRules ?? []) {
    const { operator, values = [] } = exitCodes ?? {};
    const matches = exitCodes !== undefined && (operator === 'NotIn') !== values.includes(exitCode);
    if (matches && action?.startsWith('Restart')) return true;
  }
  const policy = container?.restartPolicy ?? spec.restartPolicy ?? 'Always';
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}

interface Change {
  readonly statuses: readonly ContainerStatus[] | undefined;
  readonly old: readonly ContainerStatus[] | undefined;
  readonly at: FieldPath;
}

/** A container that ended for good cannot run again. */
function checkTransitions({ statuses, old, at }: Change, restarts: (exitCode: number, name: string) => boolean): void {
  for (const [i, before] of indexed(old)) {
    const ended = before.state?.terminated;
    if (!ended || restarts(ended.exitCode ?? 0, before.name)) continue;
    for (const now of statuses ?? []) {
      if (now.name === before.name && !now.state?.terminated) at.at(i).child('state').forbidden('may not be transitioned to non-terminated state');
    }
  }
}

function checkAllTransitions(status: PodStatus, { old, spec, at }: { old: PodStatus; spec: PodSpec; at: FieldPath }): void {
  const change = (list: 'containerStatuses' | 'initContainerStatuses' | 'ephemeralContainerStatuses'): Change => ({ statuses: status[list], old: old[list], at: at.child(list) });
  // When any container may bring all of them back, so may each.
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  const restartsAll = containers.some((container) => container.restartPolicyRules?.some(({ action }) => action === 'RestartAllContainers'));
  const by = (list: readonly Container[] | undefined) => (exitCode: number, name: string) =>
    restartsAll || mayRestart(exitCode, { container: list?.find((container) => container.name === name), spec });
  checkTransitions(change('containerStatuses'), by(spec.containers));
  checkTransitions(change('initContainerStatuses'), by(spec.initContainers));
  checkTransitions(change('ephemeralContainerStatuses'), () => false);
}

function checkClaims({ resourceClaimStatuses }: PodStatus, { spec, at }: { spec: PodSpec; at: FieldPath }): void {
  const names = new Set<string>();
  for (const [i, { name, resourceClaimName }] of indexed(resourceClaimStatuses)) {
    const path = at.at(i);
    if (!spec.resourceClaims?.some((claim) => claim.name === name)) path.child('name').invalid(name, 'must match the name of an entry in `spec.resourceClaims`');
    if (names.has(name)) path.child('name').duplicate(name);
    names.add(name);
    if (resourceClaimName !== undefined) path.child('resourceClaimName').matches(resourceClaimName, dns1123Subdomain);
  }
}

function checkExtendedClaims({ extendedResourceClaimStatus: claims }: PodStatus, { spec, at }: { spec: PodSpec; at: FieldPath }): void {
  if (!claims) return;
  const mappings = claims.requestMappings ?? [];
  if (mappings.length === 0) at.child('requestMappings').required('at least one request mapping is required');
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  const seen = new Set<string>();
  for (const [i, { containerName, resourceName, requestName }] of mappings.entries()) {
    const path = at.child('requestMappings').at(i);
    const container = containers.find(({ name }) => name === containerName);
    if (!container) path.child('containerName').invalid(containerName, 'must match the name of an entry in spec.initContainers.name or spec.containers.name');
    else if (container.resources?.requests?.[resourceName] === undefined) {
      path.child('resourceName').invalid(resourceName, 'must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests');
    }
    at.child('requestName').matches(requestName, dns1123Label);
    const key = JSON.stringify([containerName, resourceName, requestName]);
    if (seen.has(key)) for (const [field, value] of Object.entries({ containerName, resourceName, requestName })) path.child(field).duplicate(value);
    seen.add(key);
  }
  at.child('resourceClaimName').requires(claims.resourceClaimName, dns1123Subdomain);
}

function checkIps(ips: readonly { ip?: string }[], { old, at }: { old: readonly { ip?: string }[] | undefined; at: FieldPath }): void {
  const known = (old ?? []).map(({ ip }) => ip);
  for (const [i, { ip }] of ips.entries()) for (const message of ipProblems(ip, known)) at.at(i).invalid(ip ?? '', message);
  if (ips.length > 1 && !isDualStack(ips.map(({ ip }) => ip))) at.invalid(ips, 'may specify no more than one IP for each IP family');
}

const healths = ['Healthy', 'Unhealthy', 'Unknown'];

function checkAllocated(status: ContainerStatus, { container, at }: { container: Container | undefined; at: FieldPath }): void {
  for (const [j, { name, resources }] of indexed(status.allocatedResourcesStatus)) {
    const path = at.at(j);
    if (container && name?.startsWith('claim:')) {
      const claims = (container.resources?.claims ?? []).map((claim) => `claim:${claim.name}${claim.request ? `/${claim.request}` : ''}`);
      if (!claims.includes(name)) path.child('name').invalid(name, "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty");
    } else if (container && container.resources?.requests?.[name ?? ''] === undefined) path.child('name').invalid(name, "must match one of the container's resource requests");
    const seen = new Set<string>();
    for (const [k, { resourceID, health = '' }] of indexed(resources)) {
      const item = path.child('resources').at(k);
      if (!healths.includes(health)) item.child('health').notSupported(health, healths);
      if (seen.has(resourceID)) item.child('resourceID').duplicate(resourceID);
      seen.add(resourceID);
    }
  }
}

function checkStatuses(statuses: readonly ContainerStatus[] | undefined, { spec, containers, at }: { spec: PodSpec; containers: readonly Container[] | undefined; at: FieldPath }): void {
  for (const [i, status] of indexed(statuses)) {
    const linux = status.user?.linux;
    const path = at.at(i).child('linux');
    if (linux && spec.os?.name === 'windows') path.forbidden('cannot be set for a windows pod');
    else if (linux) {
      checkId(linux.uid, path.child('uid'));
      checkId(linux.gid, path.child('gid'));
      for (const [g, group] of indexed(linux.supplementalGroups)) checkId(Number(group), path.child('supplementalGroups').at(g));
    }
    checkAllocated(status, { container: containers?.find(({ name }) => name === status.name), at: at.at(i).child('allocatedResourcesStatus') });
  }
}

function checkNominated(status: PodStatus, { oldPod, at }: { oldPod: Pod; at: FieldPath }): void {
  const name = status.nominatedNodeName;
  if (!name || name === oldPod.status?.nominatedNodeName) return;
  at.matches(name, dns1123Subdomain);
  if (oldPod.spec?.nodeName) at.forbidden('may not be set on pods that are already bound to a node');
}

export function validatePodStatusUpdate(pod: Pod, oldPod: Pod): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status');
    const { status = {}, spec = { containers: [] } } = pod;
    const old = oldPod.status ?? {};
    checkAnnotationUpdate(pod.metadata?.annotations, { old: oldPod.metadata?.annotations, at: root.child('metadata').child('annotations') });
    checkConditions(status, at.child('conditions'));
    if ((spec.nodeName ?? '') !== (oldPod.spec?.nodeName ?? '')) at.child('nodeName').forbidden('may not be changed directly');
    checkNominated(status, { oldPod, at: at.child('nominatedNodeName') });
    if ((status.observedGeneration ?? 0) < 0) at.child('observedGeneration').invalid(status.observedGeneration, 'must be a non-negative integer');
    checkImmutable({ value: status.qosClass ?? '', old: old.qosClass ?? '' }, at.child('qosClass'));
    checkAllTransitions(status, { old, spec: oldPod.spec ?? spec, at });
    checkClaims(status, { spec, at: at.child('resourceClaimStatuses') });
    checkExtendedClaims(status, { spec, at: at.child('extendedResourceClaimStatus') });
    checkIps(status.podIPs ?? [], { old: old.podIPs, at: at.child('podIPs') });
    const hosts = status.hostIPs ?? [];
    if (hosts.length > 0 && hosts[0]?.ip !== status.hostIP) at.child('hostIPs').at(0).child('ip').invalid(hosts[0]?.ip, 'must be equal to `hostIP`');
    checkIps(hosts, { old: old.hostIPs, at: at.child('hostIPs') });
    checkStatuses(status.containerStatuses, { spec, containers: spec.containers, at: at.child('containerStatuses') });
    checkStatuses(status.initContainerStatuses, { spec, containers: spec.initContainers, at: at.child('initContainerStatuses') });
    for (const [i, { allocatedResourcesStatus: own }] of indexed(status.ephemeralContainerStatuses)) {
      if (own?.length) at.child('ephemeralContainerStatuses').at(i).child('allocatedResourcesStatus').forbidden('must not be specified in container status');
    }
  });
}
