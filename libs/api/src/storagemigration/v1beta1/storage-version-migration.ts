import type { FieldError } from '@orrery/errors';
import type { StoragemigrationV1beta1StorageVersionMigration as StorageVersionMigration } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { checkConditions } from '../../validation/conditions.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { dns1035Label, dns1123Subdomain } from '../../validation/names.ts';

function checkResource({ spec }: StorageVersionMigration, at: FieldPath): void {
  const { resource = '', group = '' } = spec?.resource ?? {};
  const bad = dns1035Label(resource);
  if (resource === '') at.child('resource').required('resource is required to be set');
  else if (bad.length > 0) at.child('resource').invalid(resource, bad.join(','));
  const badGroup = group === '' ? [] : dns1123Subdomain(group);
  if (badGroup.length > 0) at.child('group').invalid(group, badGroup.join(','));
}

const isTrue = ({ status }: StorageVersionMigration, type: string): boolean => (status?.conditions ?? []).some((one) => one.type === type && one.status === 'True');

function validateStatusUpdate(migration: StorageVersionMigration, old: StorageVersionMigration): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status');
    const version = migration.status?.resourceVersion ?? '';
    if (!/^[1-9][0-9]*$/.test(version)) at.child('resourceVersion').invalid(version, `resource version is not well formed: ${version}`);
    const conditions = at.child('conditions');
    const refuse = (detail: string): void => conditions.invalid(migration.status?.conditions ?? null, detail);
    checkConditions(migration.status?.conditions, conditions);
    const before = old.status?.resourceVersion ?? '';
    if (before !== '' && before !== version) at.child('resourceVersion').invalid(version, 'field is immutable');
    const succeeded = isTrue(migration, 'Succeeded');
    const failed = isTrue(migration, 'Failed');
    const running = isTrue(migration, 'Running');
    if (succeeded && failed) refuse('Both success and failed conditions cannot be true at the same time');
    if (succeeded && running) refuse('Running condition cannot be true when success condition is true');
    if (failed && running) refuse('Running condition cannot be true when failed condition is true');
    if (isTrue(old, 'Succeeded') && !succeeded) refuse('Success condition cannot be set to false once it is true');
    if (isTrue(old, 'Failed') && !failed) refuse('Failed condition cannot be set to false once it is true');
  });
}

export const storageVersionMigrationKind = defineKind<StorageVersionMigration>({
  group: 'storagemigration.k8s.io',
  version: 'v1beta1',
  kind: 'StorageVersionMigration',
  resource: 'storageversionmigrations',
  namespaced: false,
  hasStatus: true,
  unconditionalUpdate: false,
  validate: (migration) => findProblems((root) => checkResource(migration, root.child('spec').child('resource'))),
  validateUpdate: (migration, old) =>
    findProblems((root) => {
      checkResource(migration, root.child('spec').child('resource'));
      checkImmutable({ value: migration.spec, old: old.spec }, root.child('spec'));
    }),
  validateStatusUpdate,
  columns: [
    nameColumn,
    text('Resource', ({ spec }) => [spec?.resource?.resource ?? '', ...(spec?.resource?.group ? [spec.resource.group] : [])].join('.')),
    ageColumn,
  ],
});
