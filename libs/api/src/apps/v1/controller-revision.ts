import type { ControllerRevision } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable, checkNonNegative } from '../../validation/fields.ts';

function checkRevision({ data, revision }: ControllerRevision, root: FieldPath): void {
  if (data === undefined || data === null) root.child('data').required('data is mandatory');
  checkNonNegative(revision, root.child('revision'));
}

/** `daemonset.apps/name` of the controlling owner. */
function controller({ metadata }: ControllerRevision): string {
  const owner = metadata?.ownerReferences?.find((reference) => reference.controller);
  if (!owner) return '<none>';
  const [group = ''] = owner.apiVersion.includes('/') ? owner.apiVersion.split('/') : [''];
  return `${owner.kind.toLowerCase()}${group ? `.${group}` : ''}/${owner.name}`;
}

export const controllerRevisionKind = defineKind<ControllerRevision>({
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  resource: 'controllerrevisions',
  namespaced: true,
  validate: (revision) => findProblems((root) => checkRevision(revision, root)),
  validateUpdate: (revision, old) =>
    findProblems((root) => {
      checkRevision(revision, root);
      checkImmutable({ value: revision.data, old: old.data }, root.child('data'));
    }),
  columns: [nameColumn, text('Controller', controller), text('Revision', ({ revision }) => revision ?? 0), ageColumn],
});
