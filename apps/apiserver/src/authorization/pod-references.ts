import type { PersistentVolume, Pod, PodSpec, Volume } from '@orrery/api/types';

/** Names of the objects in its namespace that a pod's node must be able to read. */
export interface PodReferences {
  readonly secrets: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
  readonly claims: ReadonlySet<string>;
  readonly resourceClaims: ReadonlySet<string>;
  readonly serviceAccount: string;
}

interface Collected {
  secrets: Set<string>;
  configMaps: Set<string>;
  claims: Set<string>;
  resourceClaims: Set<string>;
}

const mirrorAnnotation = 'kubernetes.io/config.mirror';

function fromContainers(spec: PodSpec, out: Collected): void {
  for (const container of [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])]) {
    for (const { secretRef, configMapRef } of container.envFrom ?? []) {
      if (secretRef?.name) out.secrets.add(secretRef.name);
      if (configMapRef?.name) out.configMaps.add(configMapRef.name);
    }
    for (const { valueFrom } of container.env ?? []) {
      if (valueFrom?.secretKeyRef?.name) out.secrets.add(valueFrom.secretKeyRef.name);
      if (valueFrom?.configMapKeyRef?.name) out.configMaps.add(valueFrom.configMapKeyRef.name);
    }
  }
}

function volumeSecrets(volume: Volume): (string | undefined)[] {
  const projected = (volume.projected?.sources ?? []).map((source) => source.secret?.name);
  const refs = [volume.cephfs, volume.cinder, volume.csi && { secretRef: volume.csi.nodePublishSecretRef }, volume.flexVolume, volume.iscsi, volume.rbd, volume.scaleIO, volume.storageos];
  return [volume.secret?.secretName, volume.azureFile?.secretName, ...projected, ...refs.map((ref) => ref?.secretRef?.name)];
}

function fromVolumes(pod: Pod, out: Collected): void {
  for (const volume of pod.spec?.volumes ?? []) {
    for (const name of volumeSecrets(volume)) if (name) out.secrets.add(name);
    for (const name of [volume.configMap?.name, ...(volume.projected?.sources ?? []).map((source) => source.configMap?.name)]) if (name) out.configMaps.add(name);
    if (volume.persistentVolumeClaim) out.claims.add(volume.persistentVolumeClaim.claimName);
    if (volume.ephemeral) out.claims.add(`${pod.metadata?.name ?? ''}-${volume.name}`);
  }
}

function collect(pod: Pod): PodReferences {
  const out: Collected = { secrets: new Set(), configMaps: new Set(), claims: new Set(), resourceClaims: new Set() };
  const { spec, status } = pod;
  // A mirror pod is written by the node itself: it must not open anything to it.
  if (!spec || pod.metadata?.annotations?.[mirrorAnnotation] !== undefined) return { ...out, serviceAccount: '' };
  for (const { name } of spec.imagePullSecrets ?? []) if (name) out.secrets.add(name);
  fromContainers(spec, out);
  fromVolumes(pod, out);
  for (const claim of spec.resourceClaims ?? []) if (claim.resourceClaimName) out.resourceClaims.add(claim.resourceClaimName);
  for (const claim of status?.resourceClaimStatuses ?? []) if (claim.resourceClaimName) out.resourceClaims.add(claim.resourceClaimName);
  return { ...out, serviceAccount: spec.serviceAccountName ?? '' };
}

const known = new WeakMap<Pod, PodReferences>();

/** What a pod refers to; computed once for each version of the object. */
export function podReferences(pod: Pod): PodReferences {
  let references = known.get(pod);
  if (!references) known.set(pod, (references = collect(pod)));
  return references;
}

/** `namespace/name` of the secrets that mounting a volume takes. */
export function volumeSecretKeys(volume: PersistentVolume): string[] {
  const spec = volume.spec ?? {};
  const claimNamespace = spec.claimRef?.namespace ?? '';
  const azure = spec.azureFile && { name: spec.azureFile.secretName, namespace: spec.azureFile.secretNamespace };
  const csi = spec.csi ? [spec.csi.nodePublishSecretRef, spec.csi.nodeStageSecretRef, spec.csi.nodeExpandSecretRef] : [];
  const refs = [azure, ...csi, spec.cephfs?.secretRef, spec.cinder?.secretRef, spec.flexVolume?.secretRef, spec.iscsi?.secretRef, spec.rbd?.secretRef, spec.scaleIO?.secretRef, spec.storageos?.secretRef];
  return refs.flatMap((ref) => (ref?.name ? [`${ref.namespace || claimNamespace}/${ref.name}`] : []));
}
