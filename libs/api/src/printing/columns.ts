import type { Container, LabelSelector, ObjectMeta } from '../../gen/types.ts';
import type { Column } from '../kind.ts';
import { since } from './duration.ts';

type Cell<T> = Column<T>['cell'];

const build =
  (type: Column<unknown>['type'], priority: number) =>
  <T>(name: string, cell: Cell<T>): Column<T> => ({ name, type, priority, cell });

export const text = build('string', 0);
export const integer = build('integer', 0);
export const flag = build('boolean', 0);
/** Shown only with `-o wide`. */
export const wideText = build('string', 1);

interface Described {
  metadata?: ObjectMeta;
}

export const nameColumn: Column<Described> = { name: 'Name', type: 'string', format: 'name', priority: 0, cell: (object) => object.metadata?.name ?? '' };
export const ageColumn: Column<Described> = text('Age', (object, { nowMs }) => since(object.metadata?.creationTimestamp, nowMs));
/** What kinds without a printer of their own show. */
export const fallbackColumns: readonly Column<Described>[] = [
  nameColumn,
  { name: 'Created At', type: 'date', priority: 0, cell: (object) => object.metadata?.creationTimestamp ?? '' },
];

/** `a=b,c=d` in order of keys, `<none>` when empty. */
export function formatLabels(labels: Record<string, string> | undefined): string {
  const entries = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? '<none>' : entries.map(([key, value]) => `${key}=${value}`).join(',');
}

const bareKeys: Readonly<Record<string, (key: string, values: string) => string>> = {
  In: (key, values) => `${key} in (${values})`,
  NotIn: (key, values) => `${key} notin (${values})`,
  Exists: (key) => key,
  DoesNotExist: (key) => `!${key}`,
};

/** A label selector as `-l` takes it; `<none>` when it selects everything, `<error>` when it cannot be read. */
export function formatSelector(selector: LabelSelector | undefined): string {
  if (!selector) return '<none>';
  const parts: { key: string; text: string }[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({ key, text: `${key}=${value}` }));
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const format = bareKeys[operator];
    if (!format) return '<error>';
    parts.push({ key, text: format(key, [...values].sort().join(',')) });
  }
  parts.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return parts.length === 0 ? '<none>' : parts.map((part) => part.text).join(',');
}

/** The wide columns of everything with a pod template. */
export function containerColumns<T>(containers: (object: T) => readonly Container[] | undefined): Column<T>[] {
  return [
    wideText<T>('Containers', (object) => (containers(object) ?? []).map((container) => container.name).join(',')),
    wideText<T>('Images', (object) => (containers(object) ?? []).map((container) => container.image ?? '').join(',')),
  ];
}
