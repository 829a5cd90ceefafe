import { badRequest } from '@orrery/errors';

/** `metav1.LabelSelector`. */
export interface LabelSelectorLike {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] }[];
}

export type Labels = Readonly<Record<string, string>>;
export type Matcher<T> = (value: T) => boolean;

const none: Labels = {};

/** True for every set of labels. */
export const everything: Matcher<Labels | undefined> = () => true;

interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  readonly values: readonly string[];
}

function matchesRequirement(labels: Labels, { key, operator, values }: Requirement): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
  }
}

function matcherOf(requirements: readonly Requirement[]): Matcher<Labels | undefined> {
  if (!requirements.length) return everything;
  return (labels = none) => requirements.every((r) => matchesRequirement(labels, r));
}

/** Splits at commas outside parentheses. */
function terms(text: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (c === '(') depth++;
    else if (c === ')') depth--;
    else if ((c === ',' && depth === 0) || c === undefined) {
      out.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  return out.filter((t) => t !== '');
}

function requirementOf(term: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(term);
  if (set) {
    const values = (set[3] ?? '').split(',').map((v) => v.trim());
    return { key: set[1] ?? '', operator: set[2] === 'in' ? 'In' : 'NotIn', values };
  }
  const binary = /^([^\s=!<>]+)\s*(==|=|!=|>|<)\s*(\S*)$/.exec(term);
  if (binary) {
    const operator = { '=': 'In', '==': 'In', '!=': 'NotIn', '>': 'Gt', '<': 'Lt' }[binary[2] ?? ''] as Requirement['operator'];
    return { key: binary[1] ?? '', operator, values: [binary[3] ?? ''] };
  }
  const unary = /^(!?)\s*([^\s=!<>(),]+)$/.exec(term);
  if (unary) return { key: unary[2] ?? '', operator: unary[1] ? 'DoesNotExist' : 'Exists', values: [] };
  throw badRequest(`unable to parse requirement: ${term}`);
}

/** Parses the string form (`a=b,c in (d,e),!f`). Throws 400 for what cannot be parsed; '' matches everything. */
export function parseLabelSelector(text: string | undefined): Matcher<Labels | undefined> {
  return matcherOf(terms(text ?? '').map(requirementOf));
}

/** Of a `metav1.LabelSelector`: absent matches nothing, empty matches everything (as `LabelSelectorAsSelector`). */
export function labelSelectorMatcher(selector: LabelSelectorLike | undefined): Matcher<Labels | undefined> {
  if (!selector) return () => false;
  const fixed = Object.entries(selector.matchLabels ?? {}).map(([key, value]): Requirement => ({ key, operator: 'In', values: [value] }));
  const free = (selector.matchExpressions ?? []).map(
    ({ key, operator, values }): Requirement => ({ key, operator: operator as Requirement['operator'], values: values ?? [] }),
  );
  return matcherOf([...fixed, ...free]);
}

/** A plain map of labels as a matcher; absent or empty matches nothing, as a Service's selector does. */
export function labelMapMatcher(selector: Labels | undefined): Matcher<Labels | undefined> {
  const entries = Object.entries(selector ?? {});
  if (!entries.length) return () => false;
  return (labels = none) => entries.every(([key, value]) => labels[key] === value);
}

/** The string form of a `metav1.LabelSelector`, as the Scale subresource and list requests carry it. */
export function formatLabelSelector(selector: LabelSelectorLike): string {
  const fixed = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const free = (selector.matchExpressions ?? []).map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${[...values].sort().join(',')})`;
  });
  return [...fixed, ...free].join(',');
}

export interface FieldTerm {
  readonly field: string;
  readonly value: string;
  readonly negated: boolean;
}

/** `spec.nodeName=a,status.phase!=Running`. Throws 400 for what cannot be parsed. */
export function parseFieldSelector(text: string | undefined): readonly FieldTerm[] {
  return terms(text ?? '').map((term) => {
    const match = /^([^=!]+?)(==|!=|=)(.*)$/.exec(term);
    if (!match) throw badRequest(`invalid selector: '${term}'; can't understand '${term}'`);
    return { field: match[1] ?? '', value: match[3] ?? '', negated: match[2] === '!=' };
  });
}
