import type { ConfigMap } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { configMapKey } from '../../validation/names.ts';
import { base64Bytes, checkImmutableData, maxDataBytes } from './config-data.ts';

function checkData({ data = {}, binaryData = {} }: ConfigMap, root: FieldPath): void {
  let total = 0;
  for (const [key, value] of Object.entries(data)) {
    const path = root.child('data').at(key);
    path.matches(key, configMapKey);
    if (Object.hasOwn(binaryData, key)) path.invalid(key, 'duplicate of key present in binaryData');
    total += Buffer.byteLength(String(value));
  }
  for (const [key, value] of Object.entries(binaryData)) {
    root.child('binaryData').at(key).matches(key, configMapKey);
    total += base64Bytes(String(value));
  }
  if (total > maxDataBytes) root.none().tooLong('', maxDataBytes);
}

export const configMapKind = defineKind<ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  resource: 'configmaps',
  namespaced: true,
  shortNames: ['cm'],
  validate: (map) => findProblems((root) => checkData(map, root)),
  validateUpdate: (map, old) =>
    findProblems((root) => {
      checkImmutableData(map, { old, fields: ['data', 'binaryData'], root });
      checkData(map, root);
    }),
  columns: [nameColumn, text('Data', ({ data, binaryData }) => Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length), ageColumn],
});
