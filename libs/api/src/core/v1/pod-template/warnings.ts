import { quantityMilliValue, tryParseQuantity } from '@orrery/apimachinery';
import type { Container, ContainerPort, NodeSelectorTerm, ObjectMeta, PersistentVolumeClaimSpec, PodAffinity, PodSpec, Volume } from '../../../../gen/types.ts';
import { semanticEqual } from '../../../equality.ts';
import { indexed } from '../../../validation/field-path.ts';
import { appArmorPrefix, seccompAnnotation, seccompPrefix } from './annotation-validation.ts';

const deprecatedVolumes: readonly (readonly [keyof Volume, string])[] = [
  ['photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['gitRepo', 'deprecated in v1.11, and disabled by default in v1.33+'],
  ['scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['flocker', 'deprecated in v1.22, non-functional in v1.25+'],
  ['storageos', 'deprecated in v1.22, non-functional in v1.25+'],
  ['quobyte', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['rbd', 'deprecated in v1.28, non-functional in v1.31+'],
];

/** Labels of nodes by their old names, and what upstream says of them. */
export const deprecatedNodeLabels: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
};

const deprecatedAnnotations: readonly (readonly [string, string])[] = [
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
];

const noSelector = 'a null labelSelector results in matching no pod';
/** Whole numbers of bytes, as nearly all are written. */
const wholePattern = /^\d+(Ki|Mi|Gi|Ti|k|M|G|T)?$/;
const hasFraction = (quantity: string | undefined): quantity is string => {
  if (quantity === undefined || wholePattern.test(quantity)) return false;
  const parsed = tryParseQuantity(quantity);
  return parsed !== undefined && quantityMilliValue(parsed) % 1000 !== 0;
};

/** Warnings about labels of nodes by their old names. */
export function nodeSelectorTermWarnings(term: NodeSelectorTerm | undefined, path: string): string[] {
  return (term?.matchExpressions ?? []).flatMap(({ key }, i) => {
    const note = deprecatedNodeLabels[key];
    return note ? [`${path}.matchExpressions[${i}].key: ${key} is ${note}`] : [];
  });
}

/** Warnings about the spec of a claim at `path`. */
export function claimSpecWarnings(spec: PersistentVolumeClaimSpec | undefined, path: string): string[] {
  return (['requests', 'limits'] as const).flatMap((list) => {
    const size = spec?.resources?.[list]?.storage;
    const where = `${path}.resources.${list}[storage]`;
    return hasFraction(size) ? [fractionWarning(size, where)] : [];
  });
}

interface Subject {
  readonly spec: PodSpec;
  readonly annotations: Readonly<Record<string, string>>;
  /** Where the spec stands, and where the annotations do. */
  readonly path: string;
  readonly annotationsPath: string;
  readonly isTemplate: boolean;
}

function schedulingWarnings({ spec, path }: Subject): string[] {
  const node = spec.affinity?.nodeAffinity;
  const required = `${path}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`;
  const preferred = `${path}.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution`;
  return [
    ...Object.keys(spec.nodeSelector ?? {}).flatMap((key) => (deprecatedNodeLabels[key] ? [`${path}.nodeSelector[${key}]: ${deprecatedNodeLabels[key]}`] : [])),
    ...(node?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []).flatMap((term, i) => nodeSelectorTermWarnings(term, `${required}[${i}]`)),
    ...(node?.preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(({ preference }, i) => nodeSelectorTermWarnings(preference, `${preferred}[${i}].preference`)),
    ...(spec.topologySpreadConstraints ?? []).flatMap(({ topologyKey, labelSelector }, i) => {
      const note = deprecatedNodeLabels[topologyKey];
      const where = `${path}.topologySpreadConstraints[${i}]`;
      return [...(note ? [`${where}.topologyKey: ${topologyKey} is ${note}`] : []), ...(labelSelector ? [] : [`${where}.labelSelector: ${noSelector}`])];
    }),
  ];
}

/** Files that a token of the same volume hides, or that hide it. */
function tokenPathWarnings({ spec, path }: Subject): string[] {
  const projected = (spec.volumes ?? []).map((volume) => volume.projected?.sources ?? []);
  const tokens = new Set(projected.flat().flatMap((source) => (source.serviceAccountToken ? [source.serviceAccountToken.path] : [])));
  if (tokens.size === 0) return [];
  return projected.flatMap((sources, i) => {
    const where = `${path}.volumes[${i}].projected.sources`;
    const warn = (name: string, file: string | undefined): string[] => (file !== undefined && tokens.has(file) ? [`${where}.${name}: has duplicated path with ServiceAccountToken ${JSON.stringify(file)}`] : []);
    return sources.flatMap(({ configMap, secret, downwardAPI, clusterTrustBundle }) => [
      ...(configMap?.items ?? []).flatMap((item, j) => warn(`configMap[${j}]`, item.path)),
      ...(secret?.items ?? []).flatMap((item, j) => warn(`secrets[${j}]`, item.path)),
      ...(downwardAPI?.items ?? []).flatMap((item, j) => warn(`downwardAPI[${j}]`, item.path)),
      ...warn('ClusterTrustBundle', clusterTrustBundle?.path),
    ]);
  });
}

function volumeWarnings(subject: Subject): string[] {
  const out: string[] = [];
  for (const [i, volume] of indexed(subject.spec.volumes)) {
    const where = `${subject.path}.volumes[${i}]`;
    for (const [source, note] of deprecatedVolumes) if (volume[source]) out.push(`${where}.${source}: ${note}`);
    const claim = volume.ephemeral?.volumeClaimTemplate;
    if (claim) out.push(...claimSpecWarnings(claim.spec as PersistentVolumeClaimSpec | undefined, `${where}.ephemeral.volumeClaimTemplate.spec`));
  }
  return [...out, ...tokenPathWarnings(subject)];
}

function nameWarnings({ spec, path }: Subject): string[] {
  const doubles = <T>(items: readonly T[], of: (item: T) => string): number[] => items.flatMap((item, i) => (items.findIndex((other) => of(other) === of(item)) < i ? [i] : []));
  const aliases = spec.hostAliases ?? [];
  const secrets = spec.imagePullSecrets ?? [];
  return [
    ...doubles(aliases, ({ ip }) => ip ?? '').map((i) => `${path}.hostAliases[${i}].ip: duplicate ip ${JSON.stringify(aliases[i]?.ip ?? '')}`),
    ...doubles(secrets, ({ name }) => name ?? '').map((i) => `${path}.imagePullSecrets[${i}].name: duplicate name ${JSON.stringify(secrets[i]?.name ?? '')}`),
    ...secrets.flatMap(({ name }, i) => (name ? [] : [`${path}.imagePullSecrets[${i}].name: invalid empty name ""`])),
  ];
}

const byteAmounts = ['memory', 'ephemeral-storage'] as const;
const fractionWarning = (value: string, at: string): string => `${at}: fractional byte value ${JSON.stringify(value)} is invalid, must be an integer`;

function amountWarnings(amounts: Record<string, string>, path: string): string[] {
  return byteAmounts.flatMap((name) => {
    const value = amounts[name];
    return hasFraction(value) ? [fractionWarning(value, `${path}[${name}]`)] : [];
  });
}

/** A variable that is set again, unless its new value is made from the old one. */
function envWarnings({ env = [] }: Container, path: string): string[] {
  return env.flatMap(({ name, value = '', valueFrom }, i) => {
    if (env.findIndex((other) => other.name === name) === i) return [];
    const reference = `$(${name})`;
    const bad = valueFrom !== undefined || value === reference || !value.includes(reference);
    return bad ? [`${path}.env[${i}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`] : [];
  });
}

function containerWarnings(container: Container, { at, subject }: { at: string; subject: Subject }): string[] {
  const { annotations, annotationsPath, spec, isTemplate } = subject;
  const out: string[] = [];
  const old = (key: string, note: string): void => {
    if (annotations[key] !== undefined) out.push(`${annotationsPath}[${key}]: ${note}`);
  };
  if (!container.securityContext?.seccompProfile) old(seccompPrefix + container.name, 'non-functional in v1.27+; use the "seccompProfile" field instead');
  const hasProfile = Boolean(spec.securityContext?.appArmorProfile ?? container.securityContext?.appArmorProfile);
  if (isTemplate && !hasProfile) old(appArmorPrefix + container.name, 'deprecated since v1.30; use the "appArmorProfile" field instead');
  // Upstream asks for memory of both, then for storage of both.
  for (const name of byteAmounts) {
    for (const list of ['limits', 'requests'] as const) {
      const value = container.resources?.[list]?.[name];
      if (hasFraction(value)) out.push(fractionWarning(value, `${at}.resources.${list}[${name}]`));
    }
  }
  return [...out, ...envWarnings(container, at)];
}

function portConflict(port: ContainerPort, other: ContainerPort): string | undefined {
  const [ip = '', otherIp = ''] = [port.hostIP, other.hostIP];
  const [host = 0, otherHost = 0] = [port.hostPort, other.hostPort];
  if (ip === otherIp && host === otherHost) return 'duplicate';
  if (host === 0 || otherHost === 0) return 'overlapping';
  return host === otherHost && (ip === '') !== (otherIp === '') ? 'dangerously ambiguous' : undefined;
}

/** `{Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:127.0.0.1}`, as Go shows a struct. */
const showPort = ({ name = '', hostPort = 0, containerPort = 0, protocol = '', hostIP = '' }: ContainerPort): string =>
  `{Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`;

function portWarnings(containers: readonly { container: Container; at: string }[]): string[] {
  const out: string[] = [];
  const known = new Map<string, { at: string; port: ContainerPort }[]>();
  for (const { container, at } of containers) {
    for (const [i, port] of indexed(container.ports)) {
      const where = `${at}.ports[${i}]`;
      if (port.hostIP && !port.hostPort) out.push(`${where}: hostIP set without hostPort: ${showPort(port)}`);
      const key = `${port.containerPort}/${port.protocol}`;
      const others = known.get(key) ?? [];
      for (const other of others) {
        const word = portConflict(port, other.port);
        if (word) out.push(`${where}: ${word} port definition with ${other.at}`);
      }
      known.set(key, [...others, { at: where, port }]);
    }
  }
  return out;
}

function affinityWarnings(affinity: PodAffinity | undefined, path: string): string[] {
  return [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).flatMap((term, i) =>
      term.labelSelector ? [] : [`${path}.requiredDuringSchedulingIgnoredDuringExecution[${i}].labelSelector: ${noSelector}`]),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(({ podAffinityTerm: term }, i) =>
      term?.labelSelector ? [] : [`${path}.preferredDuringSchedulingIgnoredDuringExecution[${i}].podAffinityTerm.labelSelector: ${noSelector}`]),
  ];
}

function allWarnings(subject: Subject): string[] {
  const { spec, annotations, annotationsPath, path } = subject;
  const containers: { container: Container; at: string }[] = [];
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    for (const [i, container] of indexed(spec[list])) containers.push({ container: container as Container, at: `${path}.${list}[${i}]` });
  }
  const hasSeccomp = Boolean(spec.securityContext?.seccompProfile);
  const grace = spec.terminationGracePeriodSeconds;
  // Most of it is about what most pods do not have.
  const out: string[] = [];
  if (spec.nodeSelector || spec.affinity || spec.topologySpreadConstraints) out.push(...schedulingWarnings(subject));
  for (const [key, note] of deprecatedAnnotations) if (annotations[key] !== undefined) out.push(`${annotationsPath}[${key}]: ${note}`);
  if (spec.volumes) out.push(...volumeWarnings(subject));
  if (spec.hostAliases || spec.imagePullSecrets) out.push(...nameWarnings(subject));
  if (spec.overhead) out.push(...amountWarnings(spec.overhead, `${path}.overhead`));
  if (!hasSeccomp && annotations[seccompAnnotation] !== undefined) out.push(`${annotationsPath}[${seccompAnnotation}]: non-functional in v1.27+; use the "seccompProfile" field instead`);
  for (const { container, at } of containers) out.push(...containerWarnings(container, { at, subject }));
  out.push(...portWarnings(containers));
  if (grace !== undefined && grace < 0) out.push(`${path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`);
  if (spec.affinity) out.push(...affinityWarnings(spec.affinity.podAffinity, `${path}.affinity.podAffinity`), ...affinityWarnings(spec.affinity.podAntiAffinity, `${path}.affinity.podAntiAffinity`));
  return out;
}

/** Upstream's warnings about a pod spec at `path` (`spec` of a pod, else a template's); an update that leaves the spec as it was has none. */
export function podSpecWarnings(spec: PodSpec | undefined, { old, path, metadata }: { old: PodSpec | undefined; path: string; metadata?: ObjectMeta | undefined }): string[] {
  if (!spec || (old && semanticEqual(spec, old))) return [];
  const annotationsPath = `${path.replace(/spec$/, 'metadata')}.annotations`;
  return allWarnings({ spec, annotations: metadata?.annotations ?? {}, path, annotationsPath, isTemplate: path !== 'spec' });
}
