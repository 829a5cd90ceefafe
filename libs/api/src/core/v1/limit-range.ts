import { quantityMilliValue, tryParseQuantity } from '@orrery/apimachinery';
import type { LimitRange, LimitRangeItem } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { fallbackColumns } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { qualifiedName } from '../../validation/names.ts';
import { compareQuantities } from '../../validation/quantity.ts';
import { checkContainerResourceName, checkResourceName, isOvercommitAllowed } from './pod-template/resource-names.ts';

/** For containers: a limit defaults to the maximum, a request to the default limit or the minimum. */
function defaultItem(item: LimitRangeItem): void {
  if (item.type !== 'Container') return;
  item.default = { ...item.max, ...item.default };
  item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest };
  for (const name of ['default', 'defaultRequest'] as const) if (Object.keys(item[name] ?? {}).length === 0) delete item[name];
}

type Field = 'max' | 'min' | 'default' | 'defaultRequest' | 'maxLimitRequestRatio';

/** The first must not be above the second; where that is reported, with which of the two, and how each is called. */
const orders: readonly { readonly low: Field; readonly high: Field; readonly where: Field; readonly shown: Field; readonly words: readonly [string, string] }[] = [
  { low: 'min', high: 'max', where: 'min', shown: 'min', words: ['min value', 'max value'] },
  { low: 'min', high: 'defaultRequest', where: 'defaultRequest', shown: 'defaultRequest', words: ['min value', 'default request value'] },
  { low: 'defaultRequest', high: 'max', where: 'defaultRequest', shown: 'defaultRequest', words: ['default request value', 'max value'] },
  { low: 'defaultRequest', high: 'default', where: 'defaultRequest', shown: 'defaultRequest', words: ['default request value', 'default limit value'] },
  { low: 'min', high: 'default', where: 'default', shown: 'min', words: ['min value', 'default value'] },
  { low: 'default', high: 'max', where: 'default', shown: 'max', words: ['default value', 'max value'] },
];

const standardTypes = new Set(['Pod', 'Container', 'PersistentVolumeClaim']);

function checkType(type: string, at: FieldPath): void {
  const before = at.errors.length;
  at.matches(type, qualifiedName);
  if (at.errors.length === before && !type.includes('/') && !standardTypes.has(type)) at.invalid(type, 'must be a standard limit type or fully qualified');
}

function checkNames(item: LimitRangeItem, { field, at, names }: { field: Field; at: FieldPath; names: Set<string> }): void {
  const ofContainers = item.type === 'Pod' || item.type === 'Container';
  for (const name of Object.keys(item[field] ?? {})) {
    const path = at.child(field).at(name);
    if (ofContainers) checkContainerResourceName(name, path);
    else checkResourceName(name, path);
    names.add(name);
  }
}

function checkRatio(item: LimitRangeItem, { name, at }: { name: string; at: FieldPath }): void {
  const ratio = item.maxLimitRequestRatio?.[name];
  if (ratio === undefined) return;
  const path = at.child('maxLimitRequestRatio').at(name);
  if (compareQuantities(ratio, '1') < 0) path.invalid(ratio, `ratio ${ratio} is less than 1`);
  const milli = (text: string | undefined): number | undefined => {
    const quantity = text === undefined ? undefined : tryParseQuantity(text);
    return quantity && quantityMilliValue(quantity);
  };
  const [max, min, given] = [milli(item.max?.[name]), milli(item.min?.[name]), milli(ratio)];
  if (max === undefined || min === undefined || given === undefined) return;
  const most = max / min;
  if (given / 1000 > most) path.invalid(ratio, `ratio ${ratio} is greater than max/min = ${most.toFixed(6)}`);
}

function checkItem(item: LimitRangeItem, at: FieldPath): void {
  const names = new Set<string>();
  const isPod = item.type === 'Pod';
  checkNames(item, { field: 'max', at, names });
  checkNames(item, { field: 'min', at, names });
  for (const field of ['default', 'defaultRequest'] as const) {
    if (!isPod) checkNames(item, { field, at, names });
    else if (Object.keys(item[field] ?? {}).length > 0) at.child(field).forbidden("may not be specified when `type` is 'Pod'");
  }
  if (item.type === 'PersistentVolumeClaim' && item.max?.storage === undefined && item.min?.storage === undefined) {
    at.child('limits').required('either minimum or maximum storage value is required, but neither was provided');
  }
  checkNames(item, { field: 'maxLimitRequestRatio', at, names });
  for (const name of names) {
    for (const { low, high, where, shown, words } of orders) {
      const isOfPod = isPod && [low, high].some((field) => field === 'default' || field === 'defaultRequest');
      const [a, b] = [item[low]?.[name], item[high]?.[name]];
      if (isOfPod || a === undefined || b === undefined || compareQuantities(a, b) <= 0) continue;
      at.child(where).at(name).invalid(item[shown]?.[name], `${words[0]} ${a} is greater than ${words[1]} ${b}`);
    }
    checkRatio(item, { name, at });
    const [limit, request] = isPod ? [] : [item.default?.[name], item.defaultRequest?.[name]];
    if (!isOvercommitAllowed(name) && limit !== undefined && request !== undefined && compareQuantities(limit, request) !== 0) {
      at.child('defaultRequest').at(name).invalid(request, `default value ${limit} must equal to defaultRequest value ${request} in ${name}`);
    }
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
        const type = item.type ?? '';
        checkType(type, at.child('type'));
        if (types.has(type)) at.child('type').duplicate(type);
        types.add(type);
        checkItem(item, at);
      }
    }),
  columns: fallbackColumns,
});
