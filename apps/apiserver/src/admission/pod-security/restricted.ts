import type { Container, PodSpec, Volume } from '@orrery/api/types';
import { type Check, type CheckedPod, capabilitiesBeyond } from './baseline.ts';
import { allContainers, containersText, failing, isWindows, quoted } from './containers.ts';

const allowedVolumes = new Set(['name', 'configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'image', 'persistentVolumeClaim', 'projected', 'secret']);

function privilegeEscalation({ spec }: CheckedPod): string | undefined {
  if (isWindows(spec)) return undefined;
  const names = failing(spec, (container) => container.securityContext?.allowPrivilegeEscalation !== false);
  return names.length ? `allowPrivilegeEscalation != false (${containersText(names)} must set securityContext.allowPrivilegeEscalation=false)` : undefined;
}

function capabilities({ spec }: CheckedPod): string | undefined {
  if (isWindows(spec)) return undefined;
  const names = failing(spec, (container) => !(container.securityContext?.capabilities?.drop ?? []).includes('ALL'));
  const details = [...(names.length ? [`${containersText(names)} must set securityContext.capabilities.drop=["ALL"]`] : []), ...capabilitiesBeyond(spec, ['NET_BIND_SERVICE'])];
  return details.length ? `unrestricted capabilities (${details.join('; ')})` : undefined;
}

/** The source of a volume that the level does not allow. */
function restrictedSource(volume: Volume): string | undefined {
  return Object.entries(volume).find(([key, value]) => value !== undefined && value !== null && !allowedVolumes.has(key))?.[0];
}

function volumes({ spec }: CheckedPod): string | undefined {
  const bad = (spec.volumes ?? []).filter((volume) => restrictedSource(volume) !== undefined);
  if (!bad.length) return undefined;
  const types = [...new Set(bad.map((volume) => restrictedSource(volume) as string))].sort();
  const names = bad.map((volume) => volume.name);
  return `restricted volume types (${names.length === 1 ? 'volume' : 'volumes'} ${quoted(names)} ${names.length === 1 ? 'uses' : 'use'} restricted volume ${types.length === 1 ? 'type' : 'types'} ${quoted(types)})`;
}

function runAsNonRoot({ spec }: CheckedPod): string | undefined {
  const details: string[] = [];
  const podWide = spec.securityContext?.runAsNonRoot;
  if (podWide === false) details.push('pod must not set securityContext.runAsNonRoot=false');
  const explicit = failing(spec, (container) => container.securityContext?.runAsNonRoot === false);
  if (explicit.length) details.push(`${containersText(explicit)} must not set securityContext.runAsNonRoot=false`);
  const implicit = podWide === undefined ? failing(spec, (container) => container.securityContext?.runAsNonRoot === undefined) : [];
  if (implicit.length) details.push(`pod or ${containersText(implicit)} must set securityContext.runAsNonRoot=true`);
  return details.length ? `runAsNonRoot != true (${details.join('; ')})` : undefined;
}

function runAsUser({ spec }: CheckedPod): string | undefined {
  const names = failing(spec, (container) => container.securityContext?.runAsUser === 0);
  const who = [...(spec.securityContext?.runAsUser === 0 ? ['pod'] : []), ...(names.length ? [containersText(names)] : [])];
  return who.length ? `runAsUser=0 (${who.join(' and ')} must not set runAsUser=0)` : undefined;
}

const goodSeccomp = (type: string | undefined): boolean => type === 'RuntimeDefault' || type === 'Localhost';
const containerSeccomp = (container: Container): string | undefined => container.securityContext?.seccompProfile?.type;

function seccompDetails(spec: PodSpec): string[] {
  const details: string[] = [];
  const podWide = spec.securityContext?.seccompProfile?.type;
  if (podWide !== undefined && !goodSeccomp(podWide)) details.push(`pod must not set securityContext.seccompProfile.type to ${JSON.stringify(podWide)}`);
  const explicit = failing(spec, (container) => containerSeccomp(container) !== undefined && !goodSeccomp(containerSeccomp(container)));
  const types = [...new Set(allContainers(spec).map(containerSeccomp))].filter((type): type is string => type !== undefined && !goodSeccomp(type)).sort();
  if (explicit.length) details.push(`${containersText(explicit)} must not set securityContext.seccompProfile.type to ${quoted(types)}`);
  const implicit = podWide === undefined ? failing(spec, (container) => containerSeccomp(container) === undefined) : [];
  if (implicit.length) details.push(`pod or ${containersText(implicit)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`);
  return details;
}

function seccomp({ spec }: CheckedPod): string | undefined {
  const details = isWindows(spec) ? [] : seccompDetails(spec);
  return details.length ? `seccompProfile (${details.join('; ')})` : undefined;
}

/** The controls that the restricted level adds, in the order of their ids. */
export const restrictedChecks: readonly Check[] = [
  { id: 'allowPrivilegeEscalation', check: privilegeEscalation },
  { id: 'capabilities_restricted', replaces: 'capabilities_baseline', check: capabilities },
  { id: 'restrictedVolumes', replaces: 'hostPathVolumes', check: volumes },
  { id: 'runAsNonRoot', check: runAsNonRoot },
  { id: 'runAsUser', check: runAsUser },
  { id: 'seccompProfile_restricted', replaces: 'seccompProfile_baseline', check: seccomp },
];
