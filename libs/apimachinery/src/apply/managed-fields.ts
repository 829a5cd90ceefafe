import { decodeFieldSet, emptyFieldSet, type FieldSet, isEmptySet } from './field-set.ts';
import { encoding, isKnown, union } from './field-set-memory.ts';
import { pool } from './added-fields.ts';
import { isShared } from './field-set-pool.ts';

/** An entry of `metadata.managedFields`. */
export interface ManagedFieldsEntry {
  readonly manager?: string;
  readonly operation?: string;
  readonly apiVersion?: string;
  readonly time?: string;
  readonly fieldsType?: string;
  readonly fieldsV1?: unknown;
  readonly subresource?: string;
}

/** Who owns what: an entry decoded. */
export interface Manager {
  readonly name: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time?: string;
  readonly set: FieldSet;
}

/** Managers by identity. */
export type Managers = Map<string, Manager>;

const maxUpdateManagers = 10;
const ancientManager = 'ancient-changes';

/** Appliers are the same whatever version they apply. */
export function managerId(manager: Pick<Manager, 'name' | 'operation' | 'apiVersion' | 'subresource'>): string {
  const { name, operation, apiVersion, subresource } = manager;
  return `${name}\n${operation}\n${operation === 'Apply' ? '' : apiVersion}\n${subresource}`;
}

function decodeFields(json: unknown): FieldSet | undefined {
  if (json === undefined) return emptyFieldSet;
  if (typeof json !== 'object' || json === null) return undefined;
  if (isKnown(json)) return json;
  const set = decodeFieldSet(json);
  return set && pool.shared(set);
}

function decodeEntry(entry: ManagedFieldsEntry): Manager | undefined {
  const { apiVersion = '', fieldsType } = entry;
  const operation = entry.operation === 'Apply' || entry.operation === 'Update' ? entry.operation : undefined;
  if (!operation) return undefined;
  const set = decodeFields(entry.fieldsV1);
  if (fieldsType !== 'FieldsV1' || apiVersion === '' || !set) return undefined;
  const base: Manager = { name: entry.manager ?? '', operation, apiVersion, subresource: entry.subresource ?? '', set };
  return entry.time === undefined ? base : { ...base, time: entry.time };
}

/** Undefined when an entry is malformed: callers then go on as if there were none. */
export function decodeManagers(entries: readonly ManagedFieldsEntry[] | undefined): Managers | undefined {
  const managers: Managers = new Map();
  for (const entry of entries ?? []) {
    const manager = decodeEntry(entry);
    if (!manager) return undefined;
    managers.set(managerId(manager), manager);
  }
  return managers;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byOrder(a: Manager, b: Manager): number {
  return (
    compare(a.operation, b.operation) ||
    compare(a.time ?? '', b.time ?? '') ||
    compare(a.name, b.name) ||
    compare(a.apiVersion, b.apiVersion) ||
    compare(a.subresource, b.subresource)
  );
}

/** Too many updaters: the oldest are folded into one for each version. */
function capUpdaters(managers: readonly Manager[]): Manager[] {
  const updaters = managers.filter((manager) => manager.operation === 'Update');
  let excess = updaters.length - maxUpdateManagers;
  if (excess <= 0) return [...managers];
  const folded: Managers = new Map();
  const rest: Manager[] = [];
  for (const manager of managers) {
    if (manager.operation === 'Apply' || excess <= 0) {
      rest.push(manager);
      continue;
    }
    const ancient = { ...manager, name: ancientManager, subresource: '' };
    const id = managerId(ancient);
    const known = folded.get(id);
    folded.set(id, known ? { ...ancient, set: union(known.set, manager.set) } : ancient);
    if (known) excess--;
  }
  return [...folded.values(), ...rest].sort(byOrder);
}

/** Entries as stored: appliers before updaters, oldest first; managers that own nothing are left out. */
export function encodeManagers(managers: Managers): ManagedFieldsEntry[] {
  const owners = [...managers.values()].filter((manager) => !isEmptySet(manager.set)).sort(byOrder);
  return capUpdaters(owners).map(encodeEntry);
}

/** Members in the order in which upstream writes them. */
function encodeEntry({ name, operation, apiVersion, time, subresource, set }: Manager): ManagedFieldsEntry {
  const fieldsType = 'FieldsV1';
  const fieldsV1 = encoding(set);
  const entry = time === undefined ? { manager: name, operation, apiVersion, fieldsType, fieldsV1 } : { manager: name, operation, apiVersion, time, fieldsType, fieldsV1 };
  return subresource === '' ? entry : { ...entry, subresource };
}

/** Clients reset ownership by sending no entry at all, or one empty one. */
export function isReset(entries: readonly ManagedFieldsEntry[] | undefined): boolean {
  if (!entries) return false;
  const [only] = entries;
  return !only || (entries.length === 1 && Object.keys(only).length === 0);
}

/** `"mgr" with subresource "status" using apps/v1`, as conflicts name a manager. */
export function describeManager(manager: Manager): string {
  const subresource = manager.subresource === '' ? '' : ` with subresource ${JSON.stringify(manager.subresource)}`;
  const version = manager.operation === 'Update' ? ` using ${manager.apiVersion}` : '';
  return `${JSON.stringify(manager.name)}${subresource}${version}`;
}

const texts = new WeakMap<object, string>();

/** Names of fields are few and used again and again; those of labels and keys of maps come without end. */
const mostQuoted = 4096;
const quoted = new Map<string, string>();

/** As a key of a JSON object, with the colon. */
function keyText(element: string): string {
  let text = quoted.get(element);
  if (text !== undefined) return text;
  text = `${JSON.stringify(element)}:`;
  // What names one item (an address, say) is not seen again.
  if (quoted.size < mostQuoted && element.startsWith('f:')) quoted.set(element, text);
  return text;
}

/** The JSON of a set: of those in it that objects share it is made once. */
function setText(set: FieldSet): string {
  let text = texts.get(set);
  if (text !== undefined) return text;
  text = '';
  for (const element in set) text += (text === '' ? '{' : ',') + keyText(element) + setText(set[element] as FieldSet);
  text = text === '' ? '{}' : `${text}}`;
  if (isShared(set)) texts.set(set, text);
  return text;
}

/** The JSON of `fieldsV1`, which may be anything that somebody else has stored. */
function fieldsText(fields: unknown): string | undefined {
  return typeof fields === 'object' && fields !== null && isKnown(fields) ? setText(fields) : JSON.stringify(fields);
}

function putEntry(entry: ManagedFieldsEntry | null | undefined, put: (piece: string) => void): void {
  // What somebody else has stored may be anything.
  if (typeof entry !== 'object' || entry === null) return put(JSON.stringify(entry) ?? 'null');
  const { fieldsV1, subresource, ...head } = entry;
  const fields = fieldsText(fieldsV1);
  if (fields === undefined) return put(JSON.stringify(entry));
  const start = JSON.stringify(head).slice(0, -1);
  put(`${start}${start === '{' ? '' : ','}"fieldsV1":`);
  put(fields);
  put(subresource === undefined ? '}' : `,"subresource":${JSON.stringify(subresource)}}`);
}

/** `metadata.managedFields` as JSON, piece by piece: it is a good part of the text of an object. */
export function putManagers(entries: readonly ManagedFieldsEntry[], put: (piece: string) => void): void {
  put('[');
  for (let i = 0; i < entries.length; i++) {
    if (i > 0) put(',');
    putEntry(entries[i], put);
  }
  put(']');
}
