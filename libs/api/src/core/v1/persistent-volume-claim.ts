import type { FieldError } from '@orrery/errors';
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, nameColumn, text, wideText } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkLabelSelector } from '../../validation/label-selector.ts';
import { dns1123Subdomain } from '../../validation/names.ts';
import { compareQuantities } from '../../validation/quantity.ts';
import { checkAccessModes, formatAccessModes } from './access-modes.ts';
import { defaultClaimSpec } from './pod-template/volume-defaults.ts';

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

export function checkClaimSpec(spec: PersistentVolumeClaimSpec | undefined, at: FieldPath): void {
  const modes = spec?.accessModes ?? [];
  if (modes.length === 0) at.child('accessModes').required('at least 1 access mode is required');
  checkLabelSelector(spec?.selector, at.child('selector'));
  checkAccessModes(modes, at.child('accessModes'));
  const size = spec?.resources?.requests?.storage;
  if (size === undefined) at.child('resources').at('storage').required();
  else if (compareQuantities(size, '0') <= 0) at.child('resources').at('storage').invalid(size, 'must be greater than zero');
  if (spec?.storageClassName) at.child('storageClassName').matches(spec.storageClassName, dns1123Subdomain);
  at.child('volumeMode').oneOf(spec?.volumeMode, ['Block', 'Filesystem']);
  if (spec?.volumeAttributesClassName) at.child('volumeAttributesClassName').matches(spec.volumeAttributesClassName, dns1123Subdomain);
  for (const [name, source] of [['dataSource', spec?.dataSource], ['dataSourceRef', spec?.dataSourceRef]] as const) {
    if (!source) continue;
    if (!source.name) at.child(name).child('name').required();
    if (!source.kind) at.child(name).child('kind').required();
    if (!source.apiGroup && source.kind !== 'PersistentVolumeClaim') at.child(name).invalid(source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
  }
}

const immutableMessage = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

/** What must stay: of an unbound claim the volume may be filled in, of a claim without class the default class, of a bound one the size. */
function fixedPart(spec: PersistentVolumeClaimSpec, old: { spec: PersistentVolumeClaimSpec; bound: boolean }): unknown {
  const { resources, volumeAttributesClassName: _, ...rest } = spec;
  const out: Record<string, unknown> = { ...rest, limits: resources?.limits };
  if (!old.bound) out.requests = resources?.requests;
  if (!old.spec.volumeName) delete out.volumeName;
  if (old.spec.storageClassName === undefined) delete out.storageClassName;
  return out;
}

function validateUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    checkClaimSpec(claim.spec, at);
    const before = { spec: old.spec ?? {}, bound: old.status?.phase === 'Bound' };
    if (!semanticEqual(fixedPart(claim.spec ?? {}, before), fixedPart(before.spec, before))) at.forbidden(immutableMessage);
    const size = claim.spec?.resources?.requests?.storage;
    const shrunk = compareQuantities(size, old.spec?.resources?.requests?.storage) < 0;
    if (before.bound && shrunk && compareQuantities(size, old.status?.capacity?.storage) <= 0) {
      at.child('resources').child('requests').child('storage').forbidden('field can not be less than status.capacity');
    }
    if (old.spec?.volumeAttributesClassName && !claim.spec?.volumeAttributesClassName) {
      at.child('volumeAttributesClassName').forbidden('update from non-nil value to nil is forbidden');
    }
  });
}

const className = ({ metadata, spec }: PersistentVolumeClaim): string => metadata?.annotations?.[classAnnotation] ?? spec?.storageClassName ?? '';
const isBound = ({ spec }: PersistentVolumeClaim): boolean => (spec?.volumeName ?? '') !== '';

export const persistentVolumeClaimKind = defineKind<PersistentVolumeClaim>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  resource: 'persistentvolumeclaims',
  namespaced: true,
  shortNames: ['pvc'],
  hasStatus: true,
  emptyStatus: { phase: 'Pending' },
  defaults: ({ spec }) => {
    if (spec) defaultClaimSpec(spec);
  },
  validate: ({ spec }) => findProblems((root) => checkClaimSpec(spec, root.child('spec'))),
  validateUpdate,
  selectableFields: [],
  columns: [
    nameColumn,
    text('Status', ({ metadata, status }) => (metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''))),
    text('Volume', ({ spec }) => spec?.volumeName ?? ''),
    text('Capacity', (claim) => (isBound(claim) ? (claim.status?.capacity?.storage ?? '0') : '')),
    text('Access Modes', (claim) => (isBound(claim) ? formatAccessModes(claim.status?.accessModes) : '')),
    text('StorageClass', className),
    text('VolumeAttributesClass', ({ spec }) => spec?.volumeAttributesClassName ?? '<unset>'),
    ageColumn,
    wideText('VolumeMode', ({ spec }) => spec?.volumeMode ?? '<unset>'),
  ],
});
