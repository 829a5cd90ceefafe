import type { FieldValidation } from '@orrery/api';
import { type FieldError, badRequest, fieldError, invalid } from '@orrery/errors';
import type { DeleteOptions } from '../registry/delete.ts';
import type { ListOptions } from '../registry/list.ts';
import type { WriteOptions } from '../registry/registry.ts';
import type { WatchOptions } from '../registry/watch.ts';
import { queryFlag as flag } from './query-flag.ts';

function integer(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null || value === '') return undefined;
  if (!/^[+-]?\d+$/.test(value)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
  if (BigInt.asIntN(64, BigInt(value)) !== BigInt(value)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(value)}: value out of range`);
  return Number(value);
}

function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function text(query: URLSearchParams, name: string): string | undefined {
  return query.get(name) || undefined;
}

export function listOptions(query: URLSearchParams): ListOptions {
  // Of use to watches alone, but read with the rest.
  integer(query, 'timeoutSeconds');
  return defined({
    labelSelector: text(query, 'labelSelector'),
    fieldSelector: text(query, 'fieldSelector'),
    limit: Math.max(0, integer(query, 'limit') ?? 0),
    continue: text(query, 'continue'),
    resourceVersion: text(query, 'resourceVersion'),
    resourceVersionMatch: text(query, 'resourceVersionMatch'),
    sendInitialEvents: flag(query, 'sendInitialEvents'),
  });
}

export function watchOptions(query: URLSearchParams): WatchOptions {
  integer(query, 'limit');
  return defined({
    labelSelector: text(query, 'labelSelector'),
    fieldSelector: text(query, 'fieldSelector'),
    resourceVersion: text(query, 'resourceVersion'),
    resourceVersionMatch: text(query, 'resourceVersionMatch'),
    allowWatchBookmarks: flag(query, 'allowWatchBookmarks'),
    sendInitialEvents: flag(query, 'sendInitialEvents'),
    continue: text(query, 'continue'),
    timeoutSeconds: integer(query, 'timeoutSeconds'),
  });
}

export function fieldValidation(query: URLSearchParams, optionsKind: string): FieldValidation {
  const value = query.get('fieldValidation') ?? '';
  if (value === '' || value === 'Warn') return 'Warn';
  if (value === 'Strict' || value === 'Ignore') return value;
  throw invalid({ group: 'meta.k8s.io', kind: optionsKind, name: '' }, [fieldError.notSupported('fieldValidation', value, ['', 'Ignore', 'Strict', 'Warn'])]);
}

function checkDryRun(values: readonly string[], optionsKind: string): boolean {
  const isKnown = values.every((value) => value === 'All');
  if (!isKnown) throw invalid({ group: 'meta.k8s.io', kind: optionsKind, name: '' }, [fieldError.notSupported('dryRun', values, ['All'])]);
  return values.length > 0;
}

const maxManagerBytes = 128;
/** What Go does not count as printable: the plain space is. */
const unprintable = /(?! )[\p{C}\p{Z}]/u;

/** The manager's name from a User-Agent: what is printable before the first slash, as far as there is room. */
export function managerFrom(userAgent: string | undefined): string {
  let name = '';
  for (const char of (userAgent ?? '').split('/')[0] ?? '') {
    if (unprintable.test(char)) continue;
    if (Buffer.byteLength(name) + Buffer.byteLength(char) > maxManagerBytes) break;
    name += char;
  }
  return name || 'unknown';
}

/** As Go prints a character with `%#U`. */
function codePoint(char: string): string {
  return `U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

function managerErrors(manager: string): FieldError[] {
  const errors = Buffer.byteLength(manager) > maxManagerBytes ? [fieldError.tooLong('fieldManager', manager, maxManagerBytes)] : [];
  let at = 0;
  for (const char of manager) {
    if (unprintable.test(char)) errors.push(fieldError.invalid('fieldManager', manager, `invalid character ${codePoint(char)} (at position ${at})`));
    at += Buffer.byteLength(char);
  }
  return errors;
}

export function writeOptions(query: URLSearchParams, request: { optionsKind: string; userAgent: string | undefined }): WriteOptions {
  const { optionsKind, userAgent } = request;
  const values = query.getAll('dryRun').filter((v) => v !== '');
  const manager = query.get('fieldManager') ?? '';
  const errors = managerErrors(manager);
  if (errors.length) throw invalid({ group: 'meta.k8s.io', kind: optionsKind, name: '' }, errors);
  const raw = {
    kind: optionsKind,
    apiVersion: 'meta.k8s.io/v1',
    ...(values.length ? { dryRun: values } : {}),
    ...(manager ? { fieldManager: manager } : {}),
    ...(query.get('fieldValidation') ? { fieldValidation: query.get('fieldValidation') } : {}),
    ...(query.has('force') ? { force: flag(query, 'force') } : {}),
  };
  return { dryRun: checkDryRun(values, optionsKind), fieldManager: manager || managerFrom(userAgent), raw };
}

/** DeleteOptions come in the body, or in the query of clients that send none. */
export function deleteOptions(query: URLSearchParams, body: Readonly<Record<string, unknown>> | undefined): DeleteOptions {
  const fromQuery = defined({
    propagationPolicy: text(query, 'propagationPolicy'),
    orphanDependents: flag(query, 'orphanDependents'),
    gracePeriodSeconds: integer(query, 'gracePeriodSeconds'),
  });
  const given = { ...(body ?? fromQuery) } as Omit<DeleteOptions, 'dryRun' | 'raw' | 'fieldManager'> & { dryRun?: string[] };
  const values = given.dryRun ?? query.getAll('dryRun').filter((v) => v !== '');
  const { propagationPolicy: policy, orphanDependents } = given;
  const subject = { group: 'meta.k8s.io', kind: 'DeleteOptions', name: '' };
  if (policy && orphanDependents !== undefined) {
    throw invalid(subject, [fieldError.invalid('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set')]);
  }
  if (policy && !['Foreground', 'Background', 'Orphan'].includes(policy)) {
    throw invalid(subject, [fieldError.notSupported('propagationPolicy', policy, ['Foreground', 'Background', 'Orphan', 'nil'])]);
  }
  return { ...given, dryRun: checkDryRun(values, 'DeleteOptions'), fieldManager: '', raw: { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', ...given } };
}
