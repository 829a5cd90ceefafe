import type { CSINode, CSINodeDriver } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, integer, nameColumn } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable, checkNonNegative } from '../../validation/fields.ts';
import { qualifiedName } from '../../validation/names.ts';
import { checkDriverName } from '../../resource/v1/names.ts';

const maxIdLength = 256;

function checkDriver({ name, nodeID = '', allocatable, topologyKeys = [] }: CSINodeDriver, { at, seen }: { at: FieldPath; seen: Set<string> }): void {
  checkDriverName(name, at.child('name'));
  if (nodeID === '') at.child('nodeID').required();
  if (nodeID.length > maxIdLength) at.child('nodeID').invalid(nodeID, `must be ${maxIdLength} characters or less`);
  checkNonNegative(allocatable?.count, at.child('allocatable').child('count'));
  if (seen.has(name)) at.child('name').duplicate(name);
  seen.add(name);
  for (const [i, key] of topologyKeys.entries()) {
    if (key === '') at.required();
    if (topologyKeys.indexOf(key) < i) at.duplicate(key);
    at.matches(key, qualifiedName);
  }
}

function checkDrivers({ spec }: CSINode, at: FieldPath): void {
  const seen = new Set<string>();
  for (const [i, driver] of (spec?.drivers ?? []).entries()) checkDriver(driver, { at: at.at(i), seen });
}

/** Only how much a node takes may change of a driver that is there. */
function checkUpdate(node: CSINode, { at, old }: { at: FieldPath; old: CSINode }): void {
  checkDrivers(node, at);
  const fixed = ({ allocatable: _, ...driver }: CSINodeDriver): object => driver;
  for (const before of old.spec?.drivers ?? []) {
    for (const driver of node.spec?.drivers ?? []) if (driver.name === before.name) checkImmutable({ value: fixed(driver), old: fixed(before) }, at);
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
  validateUpdate: (node, old) => findProblems((root) => checkUpdate(node, { at: root.child('spec').child('drivers'), old })),
  columns: [nameColumn, integer('Drivers', ({ spec }) => (spec?.drivers ?? []).length), ageColumn],
});
