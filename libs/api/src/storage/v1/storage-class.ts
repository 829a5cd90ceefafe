import type { FieldError } from '@orrery/errors';
import type { StorageClass, TopologySelectorTerm } from '../../../gen/types.ts';
import { deprecatedNodeLabels } from '../../core/v1/pod-template/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { qualifiedName } from '../../validation/names.ts';

const defaultAnnotations = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];

export function checkProvisioner(provisioner: string | undefined, at: FieldPath): void {
  if (!provisioner) at.required();
  else at.matches(provisioner.toLowerCase(), qualifiedName);
}

export function checkParameters(parameters: Record<string, string> | undefined, at: FieldPath): void {
  const entries = Object.entries(parameters ?? {});
  if (entries.length > 512) return at.tooLong('', 512);
  let total = 0;
  for (const [key, value] of entries) {
    if (key === '') at.invalid(key, 'field can not be empty.');
    total += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (total > 256 * 1024) at.tooLong('', 256 * 1024);
}

const bindingModes = ['Immediate', 'WaitForFirstConsumer'];

function checkTerm({ matchLabelExpressions = [] }: TopologySelectorTerm, at: FieldPath): void {
  const seen = new Set<string>();
  for (const [i, { key, values = [] }] of matchLabelExpressions.entries()) {
    const item = at.child('matchLabelExpressions').at(i);
    if (values.length === 0) item.child('values').required();
    for (const [v, value] of values.entries()) if (values.indexOf(value) < v) item.child('values').at(v).duplicate(value);
    item.child('key').matches(key, qualifiedName);
    if (seen.has(key)) item.child('key').duplicate(key);
    seen.add(key);
  }
}

/** What a term asks, whatever the order of keys and values. */
const meaning = ({ matchLabelExpressions = [] }: TopologySelectorTerm): string => JSON.stringify(matchLabelExpressions.map(({ key, values = [] }) => [key, [...new Set(values)].sort()]).sort());

function checkTopologies(terms: readonly TopologySelectorTerm[] | undefined, at: FieldPath): void {
  const seen = new Set<string>();
  for (const [i, term] of (terms ?? []).entries()) {
    checkTerm(term, at.at(i));
    if (seen.has(meaning(term))) at.at(i).child('matchLabelExpressions').duplicate('');
    seen.add(meaning(term));
  }
}

function checkClass(object: StorageClass, root: FieldPath): void {
  checkProvisioner(object.provisioner, root.child('provisioner'));
  checkParameters(object.parameters, root.child('parameters'));
  root.child('reclaimPolicy').oneOf(object.reclaimPolicy, ['Delete', 'Retain']);
  const mode = object.volumeBindingMode;
  if (mode === undefined) root.child('volumeBindingMode').required();
  else if (!bindingModes.includes(mode)) root.child('volumeBindingMode').notSupported(mode, bindingModes);
  checkTopologies(object.allowedTopologies, root.child('allowedTopologies'));
}

function validateUpdate(object: StorageClass, old: StorageClass): FieldError[] {
  return findProblems((root) => {
    checkClass(object, root);
    for (const name of ['parameters', 'provisioner', 'reclaimPolicy'] as const) {
      if (!semanticEqual(object[name], old[name])) root.child(name).forbidden(`updates to ${name} are forbidden.`);
    }
    checkImmutable({ value: object.volumeBindingMode, old: old.volumeBindingMode }, root.child('volumeBindingMode'));
  });
}

function name({ metadata }: StorageClass): string {
  const isDefault = defaultAnnotations.some((key) => metadata?.annotations?.[key] === 'true');
  return `${metadata?.name ?? ''}${isDefault ? ' (default)' : ''}`;
}

export const storageClassKind = defineKind<StorageClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  resource: 'storageclasses',
  namespaced: false,
  shortNames: ['sc'],
  defaults: (object) => {
    object.reclaimPolicy ??= 'Delete';
    object.volumeBindingMode ??= 'Immediate';
  },
  validate: (object) => findProblems((root) => checkClass(object, root)),
  validateUpdate,
  warnings: ({ allowedTopologies = [] }) =>
    allowedTopologies.flatMap(({ matchLabelExpressions = [] }, i) =>
      matchLabelExpressions.flatMap(({ key }, e) => (deprecatedNodeLabels[key] ? [`allowedTopologies[${i}].matchLabelExpressions[${e}].key: ${deprecatedNodeLabels[key]}`] : []))),
  columns: [
    { ...nameColumn, cell: name },
    text('Provisioner', ({ provisioner }) => provisioner ?? ''),
    text('ReclaimPolicy', ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete'),
    text('VolumeBindingMode', ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate'),
    text('AllowVolumeExpansion', ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false),
    ageColumn,
  ],
});
