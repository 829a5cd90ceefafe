import type { PersistentVolumeClaimSpec, TypedObjectReference } from '../../../gen/types.ts';
import { semanticEqual } from '../../equality.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkLabelSelector } from '../../validation/label-selector.ts';
import { dns1123Label, dns1123Subdomain } from '../../validation/names.ts';
import { compareQuantities } from '../../validation/quantity.ts';
import { checkAccessModes } from './access-modes.ts';

/** An API group that a claim had before is not looked at again. */
function checkSource(source: TypedObjectReference, { at, knownGroup }: { at: FieldPath; knownGroup: boolean }): void {
  if (!source.name) at.child('name').required();
  if (!source.kind) at.child('kind').required();
  const group = source.apiGroup ?? '';
  if (group === '' && source.kind !== 'PersistentVolumeClaim') at.invalid(source.kind ?? '', "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
  if (group !== '' && !knownGroup) at.child('apiGroup').matches(group, dns1123Subdomain);
}

function checkSources(spec: PersistentVolumeClaimSpec, { at, old }: { at: FieldPath; old: PersistentVolumeClaimSpec | undefined }): void {
  const knownGroup = old?.dataSource?.apiGroup !== undefined || old?.dataSourceRef?.apiGroup !== undefined;
  const { dataSource, dataSourceRef } = spec;
  if (dataSource) checkSource(dataSource, { at: at.child('dataSource'), knownGroup });
  if (dataSourceRef) {
    checkSource(dataSourceRef, { at: at.child('dataSourceRef'), knownGroup });
    if (dataSourceRef.namespace) at.child('dataSourceRef').child('namespace').matches(dataSourceRef.namespace, dns1123Label);
  }
  if (!dataSource || !dataSourceRef) return;
  const named = ({ apiGroup, kind, name }: TypedObjectReference): unknown => ({ apiGroup, kind, name });
  if (dataSourceRef.namespace) at.invalid(at.child('dataSource').path, 'may not be specified when dataSourceRef.namespace is specified');
  else if (!semanticEqual(named(dataSource), named(dataSourceRef))) at.invalid(at.child('dataSource').path, 'must match dataSourceRef');
}

export function checkClaimSpec(spec: PersistentVolumeClaimSpec, at: FieldPath, old?: PersistentVolumeClaimSpec): void {
  const modes = spec.accessModes ?? [];
  if (modes.length === 0) at.child('accessModes').required('at least 1 access mode is required');
  checkLabelSelector(spec.selector, at.child('selector'));
  checkAccessModes(modes, at.child('accessModes'));
  const size = spec.resources?.requests?.storage;
  const path = at.child('resources').at('storage');
  if (size === undefined) path.required();
  else if (compareQuantities(size, '0') <= 0) path.invalid(size, 'must be greater than zero');
  if (spec.storageClassName) at.child('storageClassName').matches(spec.storageClassName, dns1123Subdomain);
  if (spec.volumeMode !== undefined && !['Block', 'Filesystem'].includes(spec.volumeMode)) at.child('volumeMode').notSupported(spec.volumeMode, ['Block', 'Filesystem']);
  checkSources(spec, { at, old });
  if (spec.volumeAttributesClassName) at.child('volumeAttributesClassName').matches(spec.volumeAttributesClassName, dns1123Subdomain);
}
