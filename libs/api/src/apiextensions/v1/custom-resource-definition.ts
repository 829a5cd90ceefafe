import { rfc3339 } from '@orrery/runtime';
import type { CustomResourceDefinition, CustomResourceDefinitionStatus } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import type { StrategyContext } from '../../kind.ts';
import { fallbackColumns } from '../../printing/columns.ts';
import { unrecognizedFormats } from './crd/formats.ts';
import { validateDefinition, validateDefinitionStatus, validateDefinitionUpdate } from './crd/validation.ts';

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

const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

/** Holds the definition until its instances are gone, and stops taking in new ones. */
function holdForCleanup(definition: CustomResourceDefinition, { nowMs }: StrategyContext): void {
  definition.metadata ??= {};
  const finalizers = definition.metadata.finalizers ?? [];
  if (!finalizers.includes(cleanupFinalizer)) definition.metadata.finalizers = [...finalizers, cleanupFinalizer];
  const conditions = (definition.status?.conditions ?? []).filter(({ type }) => type !== 'Terminating');
  const terminating = {
    type: 'Terminating', status: 'True', reason: 'InstanceDeletionPending',
    message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon', lastTransitionTime: rfc3339(nowMs),
  };
  definition.status = { ...definition.status, conditions: [...conditions, terminating] } as CustomResourceDefinitionStatus;
}

/** What is taken in but not acted upon: formats that nobody knows (of an update, new ones only). */
function warnings({ spec }: CustomResourceDefinition, old: CustomResourceDefinition | undefined): string[] {
  const before = new Set(unrecognizedFormats(old?.spec));
  const formats = unrecognizedFormats(spec).filter((format) => !before.has(format));
  return formats.map((format) => `unrecognized format ${JSON.stringify(format)}`);
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
  prepareForDelete: holdForCleanup,
  warnings,
  validate: validateDefinition,
  validateUpdate: validateDefinitionUpdate,
  validateStatusUpdate: validateDefinitionStatus,
  columns: fallbackColumns,
});
