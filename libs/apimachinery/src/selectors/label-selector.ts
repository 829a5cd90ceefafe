import { fieldError } from '@orrery/errors';
import { labelValue, qualifiedName } from '../validation/names.ts';

export type Operator = 'in' | 'notin' | '=' | '==' | '!=' | 'exists' | '!' | 'gt' | 'lt';

export interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  /** Sorted, without duplicates. */
  readonly values: readonly string[];
}

type Labels = Readonly<Record<string, string>> | undefined;

/** A parsed selector: all requirements must hold; without any it matches everything. */
export interface Selector {
  readonly requirements: readonly Requirement[];
  readonly matches: (labels: Labels) => boolean;
}

/** A `metav1.LabelSelector`. */
export interface LabelSelectorObject {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] }[];
}

/** Not a selector; the message is upstream's. */
export class SelectorError extends Error {}

function failField(error: { field: string; message: string }): never {
  throw new SelectorError(`${error.field}: ${error.message}`);
}

function failValues(detail: string, values: readonly string[]): never {
  return failField(fieldError.invalid('values', values, detail));
}

/** Checks and makes one requirement, as upstream's NewRequirement. Throws SelectorError. */
export function makeRequirement(key: string, operator: Operator, values: readonly string[]): Requirement {
  const keyErrors = qualifiedName(key);
  if (keyErrors.length > 0) failField(fieldError.invalid('key', key, keyErrors.join('; ')));
  const unique = [...new Set(values)].sort();
  if (operator === 'in' || operator === 'notin') {
    if (unique.length === 0) failValues("for 'in', 'notin' operators, values set can't be empty", unique);
  } else if (operator === 'exists' || operator === '!') {
    if (unique.length > 0) failValues('values set must be empty for exists and does not exist', unique);
  } else if (operator === 'gt' || operator === 'lt') {
    if (unique.length !== 1) failValues("for 'Gt', 'Lt' operators, exactly one value is required", unique);
    if (!/^[-+]?\d+$/.test(unique[0] ?? '')) failField(fieldError.invalid('values[0]', unique[0], "for 'Gt', 'Lt' operators, the value must be an integer"));
  } else if (unique.length !== 1) {
    failValues('exact-match compatibility requires one single value', unique);
  }
  unique.forEach((value, i) => {
    const errors = labelValue(value);
    if (errors.length > 0) failField(fieldError.invalid(`values[${i}][${key}]`, value, errors.join('; ')));
  });
  return { key, operator, values: unique };
}

function meets(requirement: Requirement, labels: Labels): boolean {
  const { key, operator, values } = requirement;
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'in':
    case '=':
    case '==':
      return value !== undefined && values.includes(value);
    case 'notin':
    case '!=':
      return value === undefined || !values.includes(value);
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case 'gt':
    case 'lt': {
      if (value === undefined || !/^[-+]?\d+$/.test(value)) return false;
      const [left, right] = [BigInt(value.replace('+', '')), BigInt((values[0] ?? '0').replace('+', ''))];
      return operator === 'gt' ? left > right : left < right;
    }
  }
}

export function selectorOf(requirements: readonly Requirement[]): Selector {
  const sorted = [...requirements].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const matches = (labels: Labels): boolean => {
    for (const requirement of sorted) if (!meets(requirement, labels)) return false;
    return true;
  };
  return { requirements: sorted, matches };
}

export const everything: Selector = selectorOf([]);
export const nothing: Selector = { requirements: [], matches: () => false };

const objectOperators: Readonly<Record<string, Operator>> = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!' };

/** Of a LabelSelector object: absent selects nothing, `{}` everything. Throws SelectorError. */
export function selectorFromObject(selector: LabelSelectorObject | null | undefined): Selector {
  if (!selector) return nothing;
  const labels = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => makeRequirement(key, '=', [value]));
  const expressions = (selector.matchExpressions ?? []).map((expression) => {
    const operator = objectOperators[expression.operator];
    if (!operator) throw new SelectorError(`${JSON.stringify(expression.operator)} is not a valid label selector operator`);
    return makeRequirement(expression.key, operator, expression.values ?? []);
  });
  return selectorOf([...labels, ...expressions]);
}

/** Of a plain map, as services and replication controllers have; values are taken unchecked. */
export function selectorFromLabels(labels: Labels): Selector {
  return selectorOf(Object.entries(labels ?? {}).map(([key, value]) => ({ key, operator: '=', values: [value] })));
}

/** The text form, requirements sorted by key: what `status.selector` of a Scale holds. */
export function formatSelector(selector: Selector): string {
  return selector.requirements.map(formatRequirement).join(',');
}

function formatRequirement({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`;
    case 'gt':
      return `${key}>${values[0]}`;
    case 'lt':
      return `${key}<${values[0]}`;
    default:
      return `${key}${operator}${values[0]}`;
  }
}
