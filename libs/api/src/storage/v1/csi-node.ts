import type { CSINode } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, integer, nameColumn } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { qualifiedName } from '../../validation/names.ts';

function checkDrivers({ spec }: CSINode, at: FieldPath): void {
  const names = new Set<string>();
  for (const [i, driver] of (spec?.drivers ?? []).entries()) {
    const path = at.at(i);
    if (!driver.name) path.child('name').required();
    else if (names.has(driver.name)) path.child('name').duplicate(driver.name);
    names.add(driver.name);
    if (!driver.nodeID) path.child('nodeID').required();
    else if (driver.nodeID.length > 256) path.child('nodeID').invalid(driver.nodeID, 'must be 256 characters or less');
    const count = driver.allocatable?.count;
    if (count !== undefined && count < 0) path.child('allocatable').child('count').invalid(count, 'must be greater than or equal to 0');
    for (const key of driver.topologyKeys ?? []) path.child('topologyKeys').matches(key, qualifiedName);
  }
}

export const csiNodeKind = defineKind<CSINode>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  resource: 'csinodes',
  namespaced: false,
  unconditionalUpdate: false,
  validate: (node) => findProblems((root) => checkDrivers(node, root.child('spec').child('drivers'))),
  validateUpdate: (node, old) =>
    findProblems((root) => {
      const at = root.child('spec').child('drivers');
      checkDrivers(node, at);
      const before = new Map((old.spec?.drivers ?? []).map((driver) => [driver.name, { ...driver, allocatable: undefined }]));
      for (const [i, driver] of (node.spec?.drivers ?? []).entries()) {
        const was = before.get(driver.name);
        if (was && !semanticEqual(was, { ...driver, allocatable: undefined })) at.at(i).invalid(driver, 'field is immutable');
      }
    }),
  columns: [nameColumn, integer('Drivers', ({ spec }) => (spec?.drivers ?? []).length), ageColumn],
});
