import type { FieldError } from '@orrery/errors';
import type { Namespace } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { findProblems } from '../../validation/field-path.ts';
import { qualifiedName } from '../../validation/names.ts';

const nameLabel = 'kubernetes.io/metadata.name';

function labelWithName(namespace: Namespace): void {
  const name = namespace.metadata?.name;
  if (name) namespace.metadata = { ...namespace.metadata, labels: { ...namespace.metadata?.labels, [nameLabel]: name } };
}

function start(namespace: Namespace): void {
  labelWithName(namespace);
  const finalizers = namespace.spec?.finalizers ?? [];
  namespace.spec = { ...namespace.spec, finalizers: finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'] };
}

const standardFinalizers = new Set(['kubernetes', 'orphan', 'foregroundDeletion']);

/** Where it changes through /finalize, upstream reports the place in the list. */
function checkFinalizers(namespace: Namespace, indexed: boolean): FieldError[] {
  return findProblems((root) => {
    const list = root.child('spec').child('finalizers');
    for (const [i, finalizer] of (namespace.spec?.finalizers ?? []).entries()) {
      const at = indexed ? list.at(i) : list;
      at.matches(finalizer, qualifiedName);
      if (!finalizer?.includes('/') && !standardFinalizers.has(finalizer)) at.invalid(finalizer, 'name is neither a standard finalizer name nor is it fully qualified');
    }
  });
}

function validateStatus({ metadata, status }: Namespace): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status').child('Phase');
    const phase = status?.phase ?? '';
    if (!metadata?.deletionTimestamp) {
      if (phase !== 'Active') at.invalid(phase, "may only be 'Active' if `deletionTimestamp` is empty");
    } else if (phase !== 'Terminating') at.invalid(phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
  });
}

export const namespaceKind = defineKind<Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  resource: 'namespaces',
  namespaced: false,
  shortNames: ['ns'],
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  hasStatus: true,
  emptyStatus: { phase: 'Active' },
  subresources: [
    {
      name: 'finalize',
      kind: 'Namespace',
      verbs: ['update'],
      prepareForUpdate: (namespace, old) => {
        if (old.status) namespace.status = old.status;
        else delete namespace.status;
      },
      validateUpdate: (namespace) => checkFinalizers(namespace, true),
    },
  ],
  nameRule: 'dns1123Label',
  defaults: labelWithName,
  onCreate: start,
  // Finalizers change through /finalize only.
  onUpdate: (namespace, old) => {
    if (old.spec) namespace.spec = old.spec;
    else delete namespace.spec;
  },
  validate: (namespace) => checkFinalizers(namespace, false),
  validateUpdate: () => [],
  validateStatusUpdate: validateStatus,
  selectableFields: ['status.phase'],
  selectable: ({ status }) => ({ 'status.phase': status?.phase ?? '' }),
  columns: [nameColumn, text('Status', ({ status }) => status?.phase ?? ''), ageColumn],
});
