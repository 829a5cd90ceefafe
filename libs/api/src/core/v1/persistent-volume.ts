import { quantityValue, tryParseQuantity, zeroQuantity } from '@orrery/apimachinery';
import type { FieldError } from '@orrery/errors';
import type { PersistentVolume, PersistentVolumeSpec } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, nameColumn, text, wideText } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable, immutableMessage } from '../../validation/fields.ts';
import { dns1123Subdomain } from '../../validation/names.ts';
import { checkAccessModes, formatAccessModes } from './access-modes.ts';
import { checkVolumeSources, sourcesOf } from './persistent-volume-sources.ts';
import { describeChange } from './pod/describe-change.ts';
import { checkNodeSelectorTerms } from './pod-template/scheduling-validation.ts';
import { nodeSelectorTermWarnings } from './pod-template/warnings.ts';

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';
const policies = ['Delete', 'Recycle', 'Retain'];
const modes = ['Block', 'Filesystem'];

function checkCapacity({ capacity = {} }: PersistentVolumeSpec, at: FieldPath): void {
  const entries = Object.entries(capacity);
  if (entries.length === 0) at.required();
  if (capacity.storage === undefined || entries.length > 1) at.notSupported(capacity, ['storage']);
  for (const [name, size] of entries) {
    const amount = tryParseQuantity(size) ?? zeroQuantity;
    if (amount.nanos < 0n) at.at(name).invalid(quantityValue(amount), 'must be a valid resource quantity');
    if (amount.nanos <= 0n) at.at(name).invalid(size, 'must be greater than zero');
  }
}

function checkSpec({ metadata, spec = {} }: PersistentVolume, at: FieldPath): void {
  const accessModes = spec.accessModes ?? [];
  if (accessModes.length === 0) at.child('accessModes').required();
  checkAccessModes(accessModes, at.child('accessModes'));
  checkCapacity(spec, at.child('capacity'));
  at.child('persistentVolumeReclaimPolicy').oneOf(spec.persistentVolumeReclaimPolicy, policies);
  const required = spec.nodeAffinity?.required;
  if (spec.nodeAffinity && !required) at.child('nodeAffinity').child('required').required('must specify required node constraints');
  if (required) checkNodeSelectorTerms(required.nodeSelectorTerms, at.child('nodeAffinity').child('required').child('nodeSelectorTerms'));
  checkVolumeSources(spec, { at, name: metadata?.name ?? '' });
  const [first, ...segments] = spec.hostPath?.path?.split('/') ?? [];
  const isRoot = first === '' && segments.length > 0 && segments.every((segment) => segment === '' || segment === '.');
  if (isRoot && spec.persistentVolumeReclaimPolicy === 'Recycle') at.child('persistentVolumeReclaimPolicy').forbidden("may not be 'recycle' for a hostPath mount of '/'");
  if (spec.storageClassName) at.child('storageClassName').matches(spec.storageClassName, dns1123Subdomain);
  if (spec.volumeMode !== undefined && !modes.includes(spec.volumeMode)) at.child('volumeMode').notSupported(spec.volumeMode, modes);
  const attributes = spec.volumeAttributesClassName;
  if (attributes === undefined) return;
  if (attributes === '') at.child('volumeAttributesClassName').required('an empty string is disallowed');
  else at.child('volumeAttributesClassName').matches(attributes, dns1123Subdomain);
  if (!spec.csi) at.child('csi').required('has to be specified when using volumeAttributesClassName');
}

/** The secret of expansions may be added later. */
function comparedSource(spec: PersistentVolumeSpec | undefined, old: PersistentVolumeSpec | undefined): Record<string, unknown> {
  const { csi, ...others } = sourcesOf(spec);
  if (!csi || !old?.csi || old.csi.controllerExpandSecretRef) return { ...others, ...(csi ? { csi } : {}) };
  const { controllerExpandSecretRef: _, ...rest } = csi;
  return { ...others, csi: rest };
}

const gaLabels: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
};

/** Keys that the new affinity has by their newer names count as unchanged. */
function withNewerKeys(old: PersistentVolumeSpec['nodeAffinity'], value: PersistentVolumeSpec['nodeAffinity']): unknown {
  const now = value?.required?.nodeSelectorTerms ?? [];
  const terms = (old?.required?.nodeSelectorTerms ?? []).map((term, t) => {
    if (!term.matchExpressions) return term;
    const renamed = term.matchExpressions.map((e, i) => {
      const key = now[t]?.matchExpressions?.[i]?.key;
      return key !== undefined && gaLabels[e.key] === key ? { ...e, key } : e;
    });
    return { ...term, matchExpressions: renamed };
  });
  return old?.required ? { ...old, required: { ...old.required, nodeSelectorTerms: terms } } : old;
}

function validateUpdate(volume: PersistentVolume, old: PersistentVolume): FieldError[] {
  return findProblems((root) => {
    const [spec, before] = [volume.spec ?? {}, old.spec ?? {}];
    checkSpec(volume, root.child('spec'));
    const [now, was] = [comparedSource(spec, before), sourcesOf(before)];
    if (!semanticEqual(now, was)) {
      root.child('spec').child('persistentvolumesource').forbidden(`spec.persistentvolumesource is immutable after creation\n${describeChange(was, now)}`);
    }
    checkImmutable({ value: spec.volumeMode, old: before.volumeMode }, root.child('volumeMode'));
    if (before.nodeAffinity && !semanticEqual(spec.nodeAffinity, withNewerKeys(before.nodeAffinity, spec.nodeAffinity))) {
      root.child('nodeAffinity').invalid(spec.nodeAffinity ?? null, `${immutableMessage}, except for updating from beta label to GA`);
    }
    if (before.volumeAttributesClassName !== undefined && spec.volumeAttributesClassName === undefined) {
      root.child('spec').child('volumeAttributesClassName').forbidden('update from non-nil value to nil is forbidden');
    }
  });
}

const deprecatedSources: readonly (readonly [keyof PersistentVolumeSpec, string])[] = [
  ['cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['storageos', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['rbd', 'deprecated in v1.28, non-functional in v1.31+'],
];

function warnings({ metadata, spec = {} }: PersistentVolume): string[] {
  const out: string[] = [];
  if (metadata?.annotations?.[classAnnotation] !== undefined) {
    out.push(`metadata.annotations[${classAnnotation}]: deprecated since v1.8; use "storageClassName" attribute instead`);
  }
  if (spec.persistentVolumeReclaimPolicy === 'Recycle') out.push('spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.');
  for (const [i, term] of (spec.nodeAffinity?.required?.nodeSelectorTerms ?? []).entries()) {
    out.push(...nodeSelectorTermWarnings(term, `spec.nodeAffinity.required.nodeSelectorTerms[${i}]`));
  }
  for (const [name, note] of deprecatedSources) if (spec[name]) out.push(`spec.${name}: ${note}`);
  return out;
}

function claim({ spec }: PersistentVolume): string {
  return spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '';
}

export const persistentVolumeKind = defineKind<PersistentVolume>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  resource: 'persistentvolumes',
  namespaced: false,
  shortNames: ['pv'],
  hasStatus: true,
  emptyStatus: { phase: 'Pending' },
  defaults: ({ spec }) => {
    if (!spec) return;
    spec.persistentVolumeReclaimPolicy ||= 'Retain';
    spec.volumeMode ??= 'Filesystem';
    if (spec.hostPath) spec.hostPath.type ??= '';
  },
  onCreate: (volume, { nowMs }) => {
    volume.status = { phase: 'Pending', lastPhaseTransitionTime: isoSeconds(nowMs) };
  },
  onStatusUpdate: (volume, old, { nowMs }) => {
    if (!volume.status || volume.status.phase === old.status?.phase) return;
    if (volume.status.lastPhaseTransitionTime === old.status?.lastPhaseTransitionTime) volume.status.lastPhaseTransitionTime = isoSeconds(nowMs);
  },
  validate: (volume) => findProblems((root) => checkSpec(volume, root.child('spec'))),
  validateUpdate,
  warnings,
  columns: [
    nameColumn,
    text('Capacity', ({ spec }) => spec?.capacity?.storage ?? '0'),
    text('Access Modes', ({ spec }) => formatAccessModes(spec?.accessModes)),
    text('Reclaim Policy', ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? ''),
    text('Status', ({ metadata, status }) => (metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''))),
    text('Claim', claim),
    text('StorageClass', ({ metadata, spec }) => metadata?.annotations?.[classAnnotation] ?? spec?.storageClassName ?? ''),
    text('VolumeAttributesClass', ({ spec }) => spec?.volumeAttributesClassName ?? '<unset>'),
    text('Reason', ({ status }) => status?.reason ?? ''),
    ageColumn,
    wideText('VolumeMode', ({ spec }) => spec?.volumeMode ?? '<unset>'),
  ],
});

/** A metav1.Time: whole seconds. */
function isoSeconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
