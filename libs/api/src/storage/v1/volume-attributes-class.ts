import type { VolumeAttributesClass } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkParameters, checkProvisioner } from './storage-class.ts';

const defaultAnnotation = 'volumeattributesclass.alpha.kubernetes.io/is-default-class';

function checkClass({ driverName, parameters }: VolumeAttributesClass, root: FieldPath): void {
  checkProvisioner(driverName, root.child('driverName'));
  checkParameters(parameters, root.child('parameters'));
  if (Object.keys(parameters ?? {}).length === 0) root.child('parameters').required('must contain at least one key/value pair');
}

export const volumeAttributesClassKind = defineKind<VolumeAttributesClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttributesClass',
  resource: 'volumeattributesclasses',
  namespaced: false,
  shortNames: ['vac'],
  unconditionalUpdate: false,
  validate: (object) => findProblems((root) => checkClass(object, root)),
  validateUpdate: (object, old) =>
    findProblems((root) => {
      for (const name of ['driverName', 'parameters'] as const) if (!semanticEqual(object[name], old[name])) root.child(name).forbidden(`updates to ${name} are forbidden.`);
      checkClass(object, root);
    }),
  columns: [
    { ...nameColumn, cell: ({ metadata }) => `${metadata?.name ?? ''}${metadata?.annotations?.[defaultAnnotation] === 'true' ? ' (default)' : ''}` },
    text('DriverName', ({ driverName }) => driverName ?? ''),
    ageColumn,
  ],
});
