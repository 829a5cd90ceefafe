import { ConfigError } from '@orrery/runtime';
import { parseDocument } from 'yaml';

/** Field names by where they may stand; a list is entered without an index. */
export type Shape = { readonly [field: string]: Shape | 'value' | 'values' };

function unknownFields(value: unknown, shape: Shape | 'value' | 'values', at: string): string[] {
  if (typeof shape === 'string') {
    if (value === null || value === undefined) return [];
    if (shape === 'values') return Array.isArray(value) && value.every((one) => typeof one === 'string') ? [] : [`invalid value of field ${JSON.stringify(at)}: a list of strings is expected`];
    return typeof value === 'object' ? [`invalid value of field ${JSON.stringify(at)}: a single value is expected`] : [];
  }
  if (Array.isArray(value)) return value.flatMap((item, i) => unknownFields(item, shape, `${at}[${i}]`));
  if (value === null || value === undefined) return [];
  if (typeof value !== 'object') return [`invalid value of field ${JSON.stringify(at)}: an object is expected`];
  return Object.entries(value).flatMap(([key, member]) => {
    const path = at ? `${at}.${key}` : key;
    const next = Object.hasOwn(shape, key) ? shape[key] : undefined;
    return next === undefined ? [`unknown field ${JSON.stringify(path)}`] : unknownFields(member, next, path);
  });
}

/** Reads a configuration file strictly, as upstream does. Throws ConfigError. */
export function readConfiguration(text: string, expected: { readonly kind: string; readonly versions: readonly string[]; readonly shape: Shape }): Record<string, unknown> {
  const document = parseDocument(text, { uniqueKeys: true });
  const [problem] = document.errors;
  if (problem) throw new ConfigError(`strict decoding error: ${problem.message.split('\n')[0] ?? ''}`);
  const value = document.toJS() as Record<string, unknown> | null;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ConfigError(`expected an object of kind ${expected.kind}`);
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  const known = expected.versions.map((version) => `apiserver.config.k8s.io/${version}`);
  if (kind !== expected.kind || !known.includes(String(apiVersion))) {
    throw new ConfigError(`no kind ${JSON.stringify(String(kind ?? ''))} is registered for version ${JSON.stringify(String(apiVersion ?? ''))}`);
  }
  const unknown = unknownFields(value, expected.shape, '');
  if (unknown.length) throw new ConfigError(`strict decoding error: ${unknown.join(', ')}`);
  return value;
}
