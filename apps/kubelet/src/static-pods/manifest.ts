import { type KindDescriptor, allKinds, decodeYaml, parseYaml } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { sha256Hex } from '@orrery/cri';
import { rfc3339Micro } from '@orrery/runtime';
import { referencedObjects } from '../volumes/volume-references.ts';

export const hashAnnotation = 'kubernetes.io/config.hash';
export const sourceAnnotation = 'kubernetes.io/config.source';
export const seenAnnotation = 'kubernetes.io/config.seen';
export const mirrorAnnotation = 'kubernetes.io/config.mirror';

export interface ManifestContext {
  readonly nodeName: string;
  /** The file or URL. */
  readonly place: string;
  readonly source: 'file' | 'http';
  readonly nowMs: number;
}

interface Raw {
  readonly apiVersion?: unknown;
  readonly kind?: unknown;
  readonly items?: unknown;
}

const podKind = allKinds.find(({ group, version, kind }) => group === '' && version === 'v1' && kind === 'Pod') as KindDescriptor<Pod>;

/** Static pods start before the API server answers, so they may name nothing that only it knows. */
function foreignReference(pod: Pod): string | undefined {
  const { configMaps, secrets } = referencedObjects(pod);
  if (secrets.size || pod.spec?.imagePullSecrets?.length) return 'secrets';
  if (configMaps.size) return 'configmaps';
  if (pod.spec?.serviceAccountName) return 'serviceaccounts';
  if (pod.spec?.resourceClaims?.length) return 'resourceclaims';
  if (pod.spec?.volumes?.some(({ persistentVolumeClaim, ephemeral }) => persistentVolumeClaim ?? ephemeral)) return 'persistentvolumeclaims';
  return undefined;
}

/** Turns a manifest into the pod that this node runs: named after the node, known by a hash of what it says. Throws for one that is no valid pod. */
function staticPod(raw: unknown, { nodeName, place, source, nowMs }: ManifestContext): Pod {
  const draft = structuredClone(decodeYaml(JSON.stringify(raw), podKind.definition, 'Ignore').object) as Pod;
  const { metadata = {}, spec = { containers: [] } } = draft;
  const origin = source === 'file' ? `host:${nodeName}file:${place}` : `url:${place}`;
  const uid = metadata.uid || sha256Hex(`${origin}${JSON.stringify(raw)}`).slice(0, 32);
  const always = { operator: 'Exists', effect: 'NoExecute' };
  const tolerations = source === 'file' ? [...(spec.tolerations ?? []).filter(({ key, effect, operator }) => key || operator !== 'Exists' || effect !== 'NoExecute'), always] : spec.tolerations;
  const pod: Pod = {
    ...draft,
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      uid,
      name: `${metadata.name ?? ''}-${nodeName.toLowerCase()}`,
      namespace: metadata.namespace || 'default',
      annotations: { ...metadata.annotations, [hashAnnotation]: uid, [sourceAnnotation]: source, [seenAnnotation]: rfc3339Micro(nowMs) },
    },
    spec: { ...spec, nodeName, ...(tolerations ? { tolerations } : {}) },
    status: { phase: 'Pending' },
  };
  const foreign = foreignReference(pod);
  if (foreign) throw new Error(`invalid pod: static pods may not reference ${foreign}`);
  podKind.defaults(pod);
  if (!metadata.name) throw new Error('invalid pod: [metadata.name: Required value: name or generateName is required]');
  const errors = podKind.validate(pod).map(({ field, message }) => `${field}: ${message}`);
  if (errors.length) throw new Error(`invalid pod: [${errors.join(', ')}]`);
  return pod;
}

/** The pods of a manifest: a Pod or a list of them, as YAML or JSON. Throws with what is wrong. */
export function decodeManifest(text: string, context: ManifestContext): Pod[] {
  const raw = parseYaml(text).value as Raw | null;
  if (raw?.apiVersion === 'v1' && raw.kind === 'Pod') return [staticPod(raw, context)];
  const isList = raw?.apiVersion === 'v1' && (raw.kind === 'PodList' || raw.kind === 'List') && Array.isArray(raw.items);
  if (!isList) throw new Error(`invalid pod: no kind "Pod" in ${JSON.stringify(String(raw?.kind ?? ''))} of version ${JSON.stringify(String(raw?.apiVersion ?? ''))}`);
  return (raw.items as unknown[]).map((item) => staticPod(item, context));
}
