import type { DeviceClass } from '../../../gen/types.ts';
import { isExtendedResource } from '../../core/v1/pod-template/resource-validation.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, nameColumn } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkItems } from '../../validation/lists.ts';
import { checkConfiguration } from './configuration.ts';
import { checkSelectors } from './selectors.ts';

const maxConfigurations = 32;

/** Selectors and configurations that did not change count as stored. */
function checkClass({ spec }: DeviceClass, { at, old }: { at: FieldPath; old?: DeviceClass }): void {
  checkSelectors(spec?.selectors, { at: at.child('selectors'), isStored: old !== undefined && semanticEqual(old.spec?.selectors, spec?.selectors) });
  const isStored = old !== undefined && semanticEqual(old.spec?.config, spec?.config);
  checkItems(spec?.config, { at: at.child('config'), max: maxConfigurations }, (config, item) => checkConfiguration(config, { at: item, isStored }));
  const name = spec?.extendedResourceName;
  if (name !== undefined && !isExtendedResource(name)) at.child('extendedResourceName').invalid(name, 'must be a valid extended resource name');
}

export const deviceClassKind = defineKind<DeviceClass>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  resource: 'deviceclasses',
  namespaced: false,
  generation: 'spec',
  validate: (object) => findProblems((root) => checkClass(object, { at: root.child('spec') })),
  validateUpdate: (object, old) => findProblems((root) => checkClass(object, { at: root.child('spec'), old })),
  columns: [nameColumn, ageColumn],
});
