import type { Container, PodSpec, Volume } from '@orrery/api/types';
import { type Check, type CheckedPod, capabilitiesBeyond, isApart } from './baseline.ts';
import { allContainers, containersText, failing, isWindows, quoted } from './containers.ts';

const allowedVolumes = new Set(['name', 'configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'image', 'persistentVolumeClaim', 'projected', 'secret']);

/** What makes no sense on Windows is not asked of its pods any more. */
const isLeftOut = (spec: PodSpec, minor: number): boolean => minor >= 25 && isWindows(spec);

function privilegeEscalation({ spec }: CheckedPod, minor: number): string | undefined {
  if (isLeftOut(spec, minor)) return undefined;
  const names = failing(spec, (container) => container.securityContext?.allowPrivilegeEscalation !== false);
  return names.length ? `allowPrivilegeEscalation != false (${containersText(names)} must set securityContext.allowPrivilegeEscalation=false)` : undefined;
}

function capabilities({ spec }: CheckedPod, minor: number): string | undefined {
  if (isLeftOut(spec, minor)) return undefined;
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

function runAsNonRoot({ spec }: CheckedPod, minor: number): string | undefined {
  if (isApart(spec, minor)) return undefined;
  const podWide = spec.securityContext?.runAsNonRoot;
  const explicit = failing(spec, (container) => container.securityContext?.runAsNonRoot === false);
  const setters = [...(podWide === false ? ['pod'] : []), ...(explicit.length ? [containersText(explicit)] : [])];
  if (setters.length) return `runAsNonRoot != true (${setters.join(' and ')} must not set securityContext.runAsNonRoot=false)`;
  const implicit = podWide === true ? [] : failing(spec, (container) => container.securityContext?.runAsNonRoot === undefined);
  return implicit.length ? `runAsNonRoot != true (pod or ${containersText(implicit)} must set securityContext.runAsNonRoot=true)` : undefined;
}

function runAsUser({ spec }: CheckedPod, minor: number): string | undefined {
  if (isApart(spec, minor)) return undefined;
  const names = failing(spec, (container) => container.securityContext?.runAsUser === 0);
  const who = [...(spec.securityContext?.runAsUser === 0 ? ['pod'] : []), ...(names.length ? [containersText(names)] : [])];
  return who.length ? `runAsUser=0 (${who.join(' and ')} must not set runAsUser=0)` : undefined;
}

const goodSeccomp = (type: string | undefined): boolean => type === 'RuntimeDefault' || type === 'Localhost';
const containerSeccomp = (container: Container): string | undefined => container.securityContext?.seccompProfile?.type;

function seccomp({ spec }: CheckedPod, minor: number): string | undefined {
  if (isLeftOut(spec, minor)) return undefined;
  const podWide = spec.securityContext?.seccompProfile?.type;
  const isBad = (type: string | undefined): type is string => type !== undefined && !goodSeccomp(type);
  const explicit = failing(spec, (container) => isBad(containerSeccomp(container)));
  const setters = [...(isBad(podWide) ? ['pod'] : []), ...(explicit.length ? [containersText(explicit)] : [])];
  const types = [...new Set([podWide, ...allContainers(spec).map(containerSeccomp)].filter(isBad))].sort();
  if (setters.length) return `seccompProfile (${setters.join(' and ')} must not set securityContext.seccompProfile.type to ${quoted(types)})`;
  const implicit = podWide === undefined ? failing(spec, (container) => containerSeccomp(container) === undefined) : [];
  return implicit.length ? `seccompProfile (pod or ${containersText(implicit)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")` : undefined;
}

/** The controls that the restricted level adds, in the order of their ids. */
export const restrictedChecks: readonly Check[] = [
  { id: 'allowPrivilegeEscalation', since: 8, check: privilegeEscalation },
  { id: 'capabilities_restricted', since: 22, replaces: 'capabilities_baseline', check: capabilities },
  { id: 'restrictedVolumes', replaces: 'hostPathVolumes', check: volumes },
  { id: 'runAsNonRoot', check: runAsNonRoot },
  { id: 'runAsUser', since: 23, check: runAsUser },
  { id: 'seccompProfile_restricted', since: 19, replaces: 'seccompProfile_baseline', check: seccomp },
];
