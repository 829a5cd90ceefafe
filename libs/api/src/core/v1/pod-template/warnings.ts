import type { Container, PodSpec, Volume } from '../../../../gen/types.ts';

const deprecatedVolumes: Readonly<Record<string, string>> = {
  gitRepo: 'deprecated in v1.11, and disabled by default in v1.33+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  flocker: 'deprecated in v1.22, non-functional in v1.25+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  quobyte: 'deprecated in v1.22, non-functional in v1.25+',
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
};

function duplicateNames(names: readonly string[]): string[] {
  return names.filter((name, i) => names.indexOf(name) !== i);
}

function containerWarnings(container: Container, path: string): string[] {
  const out: string[] = [];
  for (const [i, env] of (container.env ?? []).entries()) {
    const first = (container.env ?? []).findIndex((other) => other.name === env.name);
    if (first < i) out.push(`${path}.env[${i}]: hides previous definition of "${env.name}", which may be dropped when using apply`);
  }
  const ports = (container.ports ?? []).map((port) => `${port.containerPort}/${port.protocol ?? 'TCP'}/${port.hostIP ?? ''}/${port.hostPort ?? 0}`);
  for (const [i, port] of ports.entries()) {
    const first = ports.indexOf(port);
    if (first < i) out.push(`${path}.ports[${i}]: duplicate port definition with ${path}.ports[${first}]`);
  }
  return out;
}

const legacyNodeLabels: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
};

/** Warnings about a pod spec at `path`; an update that leaves the spec as it was has none. */
export function podSpecWarnings(spec: PodSpec | undefined, { old, path }: { old: PodSpec | undefined; path: string }): string[] {
  if (!spec || old) return [];
  const out: string[] = [];
  for (const key of Object.keys(spec.nodeSelector ?? {})) {
    const better = legacyNodeLabels[key];
    if (better) out.push(`${path}.nodeSelector[${key}]: deprecated since v1.14; use "${better}" instead`);
  }
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    for (const source of Object.keys(volume) as (keyof Volume)[]) {
      const note = deprecatedVolumes[source];
      if (note) out.push(`${path}.volumes[${i}].${source}: ${note}`);
    }
  }
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [i, container] of (spec[list] ?? []).entries()) out.push(...containerWarnings(container, `${path}.${list}[${i}]`));
  }
  for (const name of new Set(duplicateNames((spec.imagePullSecrets ?? []).map((secret) => secret.name ?? '')))) {
    out.push(`${path}.imagePullSecrets: duplicate name "${name}"`);
  }
  const grace = spec.terminationGracePeriodSeconds;
  if (grace !== undefined && grace < 0) out.push(`${path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`);
  return out;
}
