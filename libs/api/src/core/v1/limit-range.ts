import type { LimitRange, LimitRangeItem } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { fallbackColumns } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { qualifiedName } from '../../validation/names.ts';
import { compareQuantities } from '../../validation/quantity.ts';
import { checkResourceQuantity } from './pod-template/resource-validation.ts';

/** For containers: a limit defaults to the maximum, a request to the default limit or the minimum. */
function defaultItem(item: LimitRangeItem): void {
  if (item.type !== 'Container') return;
  item.default = { ...item.max, ...item.default };
  item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest };
  for (const name of ['default', 'defaultRequest'] as const) if (Object.keys(item[name] ?? {}).length === 0) delete item[name];
}

const fields = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;

/** Each pair must be in order: the first not above the second. */
const orders = [
  ['min', 'max', 'min', 'min value', 'max value'],
  ['min', 'defaultRequest', 'min', 'min value', 'default request value'],
  ['min', 'default', 'min', 'min value', 'default value'],
  ['defaultRequest', 'max', 'defaultRequest', 'default request value', 'max value'],
  ['defaultRequest', 'default', 'defaultRequest', 'default request value', 'default limit value'],
  ['default', 'max', 'default', 'default value', 'max value'],
] as const;

function checkItem(item: LimitRangeItem, at: FieldPath): void {
  const names = new Set<string>();
  for (const field of fields) {
    for (const [name, quantity] of Object.entries(item[field] ?? {})) {
      names.add(name);
      at.child(field).at(name).matches(name, qualifiedName);
      checkResourceQuantity(name, quantity, at.child(field).at(name));
    }
  }
  if (item.type === 'Pod') {
    if (Object.keys(item.default ?? {}).length > 0) at.child('default').forbidden('may not be specified when `type` is \'Pod\'');
    if (Object.keys(item.defaultRequest ?? {}).length > 0) at.child('defaultRequest').forbidden('may not be specified when `type` is \'Pod\'');
  }
  if (item.type === 'PersistentVolumeClaim' && !item.max?.storage && !item.min?.storage) at.child('limits').required('either minimum or maximum storage value is required, but neither was provided');
  for (const name of names) {
    for (const [low, high, where, lowWord, highWord] of orders) {
      const a = item[low]?.[name];
      const b = item[high]?.[name];
      if (a === undefined || b === undefined || compareQuantities(a, b) <= 0) continue;
      at.child(where).at(name).invalid(a, `${lowWord} ${a} is greater than ${highWord} ${b}`);
    }
    const ratio = item.maxLimitRequestRatio?.[name];
    if (ratio !== undefined && compareQuantities(ratio, '1') < 0) at.child('maxLimitRequestRatio').at(name).invalid(ratio, `ratio ${ratio} is less than 1`);
  }
}

export const limitRangeKind = defineKind<LimitRange>({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  resource: 'limitranges',
  namespaced: true,
  shortNames: ['limits'],
  defaults: ({ spec }) => {
    for (const item of spec?.limits ?? []) defaultItem(item);
  },
  validate: ({ spec }) =>
    findProblems((root) => {
      const types = new Set<string>();
      for (const [i, item] of (spec?.limits ?? []).entries()) {
        const at = root.child('spec').child('limits').at(i);
        if (!item.type) at.child('type').required();
        if (types.has(item.type)) at.child('type').duplicate(item.type);
        types.add(item.type);
        checkItem(item, at);
      }
    }),
  columns: fallbackColumns,
});
