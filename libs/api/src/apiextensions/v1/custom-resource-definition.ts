import type { CustomResourceDefinition } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { fallbackColumns } from '../../printing/columns.ts';
import { validateDefinition, validateDefinitionUpdate } from './crd/validation.ts';

function setDefaults({ spec }: CustomResourceDefinition): void {
  if (!spec) return;
  const names = spec.names;
  if (names) {
    names.singular ||= (names.kind ?? '').toLowerCase();
    names.listKind ||= names.kind ? `${names.kind}List` : '';
  }
  spec.conversion ??= { strategy: 'None' };
  const service = spec.conversion.webhook?.clientConfig?.service;
  if (service) service.port ??= 443;
}

/** A version that objects are, or once were, stored in. */
function rememberStorage(definition: CustomResourceDefinition): void {
  const storage = (definition.spec?.versions ?? []).find((version) => version.storage)?.name;
  const stored = definition.status?.storedVersions ?? [];
  if (storage === undefined || stored.includes(storage)) return;
  definition.status = { ...definition.status, storedVersions: [...stored, storage] } as CustomResourceDefinition['status'];
}

export const customResourceDefinitionKind = defineKind<CustomResourceDefinition>({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  resource: 'customresourcedefinitions',
  namespaced: false,
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  storagePrefix: 'apiextensions.k8s.io/customresourcedefinitions',
  hasStatus: true,
  generation: 'spec',
  unconditionalUpdate: false,
  defaults: setDefaults,
  onCreate: rememberStorage,
  onUpdate: rememberStorage,
  validate: validateDefinition,
  validateUpdate: validateDefinitionUpdate,
  columns: fallbackColumns,
});
