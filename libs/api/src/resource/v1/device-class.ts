import type { DeviceClass } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn } from '../../printing/columns.ts';
import { findProblems } from '../../validation/field-path.ts';

const maxSelectors = 32;

export const deviceClassKind = defineKind<DeviceClass>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  resource: 'deviceclasses',
  namespaced: false,
  generation: 'spec',
  validate: ({ spec }) =>
    findProblems((root) => {
      const at = root.child('spec').child('selectors');
      const selectors = spec?.selectors ?? [];
      if (selectors.length > maxSelectors) at.tooMany(selectors.length, maxSelectors);
      for (const [i, { cel }] of selectors.entries()) {
        if (!cel) at.at(i).child('cel').required();
        else if (!cel.expression) at.at(i).child('cel').child('expression').required();
      }
    }),
  columns: [nameColumn, ageColumn],
});
