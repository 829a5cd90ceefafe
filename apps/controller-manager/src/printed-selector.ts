import type { LabelSelector } from '@orrery/api/types';

const quoted = (labels: Readonly<Record<string, string>> | undefined): string =>
  Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => `${key}: ${value},`).join('');

/** A label selector as Go's `%+v` prints it: so Events name external metrics and the pods of budgets. */
export function printSelector(selector: LabelSelector | undefined): string {
  if (!selector) return 'nil';
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values }) => `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${(values ?? []).join(' ')}],},`);
  return `&LabelSelector{MatchLabels:map[string]string{${quoted(selector.matchLabels)}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}
