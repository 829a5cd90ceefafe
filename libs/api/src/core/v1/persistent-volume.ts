import type { FieldError } from '@orrery/errors';
import type { PersistentVolume, PersistentVolumeSpec } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, nameColumn, text, wideText } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { dns1123Subdomain } from '../../validation/names.ts';
import { compareQuantities } from '../../validation/quantity.ts';
import { checkAccessModes, formatAccessModes } from './access-modes.ts';
import { checkNodeSelectorTerms } from './pod-template/scheduling-validation.ts';
import { checkNoBacksteps } from './pod-template/path-validation.ts';

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';
const notSources = new Set([
  'accessModes', 'capacity', 'claimRef', 'mountOptions', 'nodeAffinity', 'persistentVolumeReclaimPolicy', 'storageClassName', 'volumeAttributesClassName', 'volumeMode',
]);

const sourceOf = (spec: PersistentVolumeSpec | undefined): Record<string, unknown> =>
  Object.fromEntries(Object.entries(spec ?? {}).filter(([name, value]) => !notSources.has(name) && value !== undefined));

function checkSource(spec: PersistentVolumeSpec, at: FieldPath): void {
  const names = Object.keys(sourceOf(spec));
  for (const name of names.slice(1)) at.child(name).forbidden('may not specify more than 1 volume type');
  if (names.length === 0) at.required('must specify a volume type');
  if (spec.hostPath) {
    if (!spec.hostPath.path) at.child('hostPath').child('path').required();
    else checkNoBacksteps(spec.hostPath.path, at.child('hostPath').child('path'));
    if (spec.hostPath.path === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle') {
      at.child('persistentVolumeReclaimPolicy').forbidden("may not be 'recycle' for a hostPath mount of '/'");
    }
  }
  if (spec.local && !spec.local.path) at.child('local').child('path').required();
  if (spec.local && !spec.nodeAffinity) at.child('nodeAffinity').required('Local volume requires node affinity');
  if (spec.csi) {
    if (!spec.csi.driver) at.child('csi').child('driver').required();
    if (!spec.csi.volumeHandle) at.child('csi').child('volumeHandle').required();
  }
  if (spec.nfs) {
    if (!spec.nfs.server) at.child('nfs').child('server').required();
    if (!spec.nfs.path) at.child('nfs').child('path').required();
  }
}

function checkSpec({ spec = {} }: PersistentVolume, at: FieldPath): void {
  const modes = spec.accessModes ?? [];
  if (modes.length === 0) at.child('accessModes').required();
  checkAccessModes(modes, at.child('accessModes'));
  const capacity = Object.entries(spec.capacity ?? {});
  if (capacity.length === 0) at.child('capacity').required();
  else if (capacity.length > 1 || spec.capacity?.storage === undefined) at.child('capacity').notSupported(spec.capacity, ['storage']);
  for (const [name, size] of capacity) if (compareQuantities(size, '0') <= 0) at.child('capacity').at(name).invalid(size, 'must be greater than zero');
  at.child('persistentVolumeReclaimPolicy').oneOf(spec.persistentVolumeReclaimPolicy, ['Delete', 'Recycle', 'Retain']);
  const required = spec.nodeAffinity?.required;
  if (spec.nodeAffinity && !required) at.child('nodeAffinity').child('required').required('must specify required node constraints');
  if (required) checkNodeSelectorTerms(required.nodeSelectorTerms, at.child('nodeAffinity').child('required').child('nodeSelectorTerms'));
  checkSource(spec, at);
  if (spec.storageClassName) at.child('storageClassName').matches(spec.storageClassName, dns1123Subdomain);
  at.child('volumeMode').oneOf(spec.volumeMode, ['Block', 'Filesystem']);
}

function validateUpdate(volume: PersistentVolume, old: PersistentVolume): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    checkSpec(volume, at);
    if (!semanticEqual(sourceOf(volume.spec), sourceOf(old.spec))) at.child('persistentvolumesource').forbidden('spec.persistentvolumesource is immutable after creation');
    checkImmutable({ value: volume.spec?.volumeMode, old: old.spec?.volumeMode }, at.child('volumeMode'));
    if (old.spec?.nodeAffinity) checkImmutable({ value: volume.spec?.nodeAffinity, old: old.spec.nodeAffinity }, at.child('nodeAffinity'));
  });
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
