import type { CSIStorageCapacity } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable, nonNegativeMessage } from '../../validation/fields.ts';
import { checkLabelSelector } from '../../validation/label-selector.ts';
import { dns1123Subdomain } from '../../validation/names.ts';
import { compareQuantities } from '../../validation/quantity.ts';

function checkCapacity(object: CSIStorageCapacity, root: FieldPath): void {
  checkLabelSelector(object.nodeTopology, root.child('nodeTopology'));
  root.child('storageClassName').matches(object.storageClassName, dns1123Subdomain);
  const { capacity } = object;
  if (capacity !== undefined && compareQuantities(capacity, '0') < 0) root.child('capacity').invalid(capacity, nonNegativeMessage);
}

export const csiStorageCapacityKind = defineKind<CSIStorageCapacity>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  listKind: 'CSIStorageCapacityList',
  resource: 'csistoragecapacities',
  namespaced: true,
  unconditionalUpdate: false,
  validate: (object) => findProblems((root) => checkCapacity(object, root)),
  validateUpdate: (object, old) =>
    findProblems((root) => {
      checkCapacity(object, root);
      for (const name of ['nodeTopology', 'storageClassName'] as const) checkImmutable({ value: object[name], old: old[name] }, root.child(name));
    }),
  columns: [nameColumn, text('StorageClassName', ({ storageClassName }) => storageClassName ?? ''), text('Capacity', ({ capacity }) => capacity ?? '<unset>')],
});
