import { quantityValue, tryParseQuantity, zeroQuantity } from '@orrery/apimachinery';
import type { FieldError } from '@orrery/errors';
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, nameColumn, text, wideText } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { qualifiedName } from '../../validation/names.ts';
import { compareQuantities } from '../../validation/quantity.ts';
import { formatAccessModes } from './access-modes.ts';
import { checkClaimSpec } from './claim-spec-validation.ts';
import { describeChange } from './pod/describe-change.ts';
import { isNativeResource } from './pod-template/resource-names.ts';
import { defaultClaimSpec } from './pod-template/volume-defaults.ts';
import { claimSpecWarnings } from './pod-template/warnings.ts';

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

const immutableMessage = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

type Annotations = Readonly<Record<string, string>> | undefined;

/** The class moved from the annotation to the field. */
function movesFromAnnotation({ old, now }: { old: PersistentVolumeClaim; now: PersistentVolumeClaim }): boolean {
  const [before, after]: Annotations[] = [old.metadata?.annotations, now.metadata?.annotations];
  const named = before?.[classAnnotation];
  if (named === undefined || old.spec?.storageClassName !== undefined || now.spec?.storageClassName !== named) return false;
  return after?.[classAnnotation] === undefined || after[classAnnotation] === named;
}

/** The default class, given to a claim that had none. */
function fillsClass({ old, now }: { old: PersistentVolumeClaim; now: PersistentVolumeClaim }): boolean {
  const named = old.metadata?.annotations?.[classAnnotation];
  const name = now.spec?.storageClassName;
  return name !== undefined && old.spec?.storageClassName === undefined && (named === undefined || named === name);
}

/** The new spec with everything that may change put back. */
function withChangesUndone(now: PersistentVolumeClaim, { old, keepsClass }: { old: PersistentVolumeClaim; keepsClass: boolean }): PersistentVolumeClaimSpec {
  const spec = now.spec ?? {};
  const before = old.spec ?? {};
  const bound = now.status?.phase === 'Bound';
  const { storage: _, ...requests } = spec.resources?.requests ?? {};
  const size = before.resources?.requests?.storage;
  return {
    ...spec,
    ...(before.volumeName ? {} : { volumeName: before.volumeName }),
    ...(keepsClass ? { storageClassName: before.storageClassName } : {}),
    ...(bound && spec.resources?.requests ? { resources: { ...spec.resources, requests: { ...requests, ...(size === undefined ? {} : { storage: size }) } } } : {}),
    ...(bound && spec.volumeAttributesClassName !== undefined ? { volumeAttributesClassName: before.volumeAttributesClassName } : {}),
  };
}

function checkShrinking(claim: PersistentVolumeClaim, { old, at }: { old: PersistentVolumeClaim; at: FieldPath }): void {
  const size = claim.spec?.resources?.requests?.storage;
  if (compareQuantities(size, old.spec?.resources?.requests?.storage) >= 0) return;
  if (compareQuantities(size, old.status?.capacity?.storage) <= 0) at.child('resources').child('requests').child('storage').forbidden('field can not be less than status.capacity');
}

function checkAttributesClass(claim: PersistentVolumeClaim, { old, at }: { old: PersistentVolumeClaim; at: FieldPath }): void {
  const before = old.spec?.volumeAttributesClassName;
  const now = claim.spec?.volumeAttributesClassName;
  if (before === undefined || now === before) return;
  if (now === undefined) at.forbidden('update from non-nil value to nil is forbidden');
  else if (now === '') at.forbidden('update from non-nil value to an empty string is forbidden');
}

function validateUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    checkClaimSpec(claim.spec ?? {}, at, old.spec);
    const moves = movesFromAnnotation({ old, now: claim });
    const [annotation, before] = [claim.metadata?.annotations?.[classAnnotation] ?? '', old.metadata?.annotations?.[classAnnotation] ?? ''];
    if (!moves && annotation !== before) root.child('metadata').child('annotations').child(classAnnotation).invalid(annotation, 'field is immutable');
    const undone = withChangesUndone(claim, { old, keepsClass: moves || fillsClass({ old, now: claim }) });
    if (!semanticEqual(undone, old.spec ?? {})) at.forbidden(`${immutableMessage}\n${describeChange(old.spec ?? {}, undone)}`);
    checkShrinking(claim, { old, at });
    checkImmutable({ value: claim.spec?.volumeMode, old: old.spec?.volumeMode }, root.child('volumeMode'));
    checkAttributesClass(claim, { old, at: at.child('volumeAttributesClassName') });
  });
}

const resizeStates = ['ControllerResizeInProgress', 'ControllerResizeInfeasible', 'NodeResizeInProgress', 'NodeResizeInfeasible', 'NodeResizePending'].sort();

function checkResourceKey(name: string, at: FieldPath): boolean {
  const before = at.errors.length;
  at.matches(name, qualifiedName);
  if (at.errors.length === before && isNativeResource(name) && name !== 'storage') at.notSupported(name, ['storage']);
  return at.errors.length === before;
}

function checkAmount(text: string, at: FieldPath): void {
  const amount = tryParseQuantity(text) ?? zeroQuantity;
  if (amount.nanos < 0n) at.invalid(quantityValue(amount), 'must be a valid resource quantity');
}

function validateStatus({ status = {} }: PersistentVolumeClaim): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status');
    for (const [name, amount] of Object.entries(status.capacity ?? {})) checkAmount(amount, at.child('capacity').at(name));
    for (const [name, state] of Object.entries(status.allocatedResourceStatuses ?? {})) {
      const path = at.child('allocatedResourceStatus');
      checkResourceKey(name, path);
      if (!resizeStates.includes(state)) path.notSupported(name, resizeStates);
    }
    for (const [name, amount] of Object.entries(status.allocatedResources ?? {})) {
      const path = at.child('allocatedResources');
      if (checkResourceKey(name, path)) checkAmount(amount, path.at(name));
    }
  });
}

function warnings({ metadata, spec }: PersistentVolumeClaim): string[] {
  const annotated = metadata?.annotations?.[classAnnotation] !== undefined;
  return [...(annotated ? [`metadata.annotations[${classAnnotation}]: deprecated since v1.8; use "storageClassName" attribute instead`] : []), ...claimSpecWarnings(spec, 'spec')];
}

const snapshotGroup = 'snapshot.storage.k8s.io';

function isClaimOrSnapshot({ apiGroup, kind }: NonNullable<PersistentVolumeClaimSpec['dataSource']>): boolean {
  return (kind === 'PersistentVolumeClaim' && !apiGroup) || (kind === 'VolumeSnapshot' && apiGroup === snapshotGroup);
}

/** The older field takes claims and snapshots only; what either says, both say, unless it lies in another namespace. */
function alignDataSources(spec: PersistentVolumeClaimSpec | undefined, old?: PersistentVolumeClaimSpec): void {
  if (!spec) return;
  const known = old?.dataSource !== undefined || old?.dataSourceRef !== undefined;
  if (!known && spec.dataSource && !isClaimOrSnapshot(spec.dataSource)) delete spec.dataSource;
  if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = { ...spec.dataSource };
  else if (spec.dataSourceRef && !spec.dataSource && !spec.dataSourceRef.namespace) {
    const { namespace: _, ...source } = spec.dataSourceRef;
    spec.dataSource = source;
  }
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
  onCreate: ({ spec }) => alignDataSources(spec),
  onUpdate: ({ spec }, old) => alignDataSources(spec, old.spec),
  validate: ({ spec }) => findProblems((root) => checkClaimSpec(spec ?? {}, root.child('spec'))),
  validateUpdate,
  validateStatusUpdate: validateStatus,
  warnings,
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
