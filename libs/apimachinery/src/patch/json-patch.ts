import { cloneJson, deepEqual, isRecord, setOwn } from '../equality.ts';
import { PatchError } from './patch-error.ts';

/** One operation of RFC 6902. */
export interface JsonPatchOperation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

const maxOperations = 10_000;
const maxCopiedBytes = 3 * 1024 * 1024;

type Container = unknown[] | Record<string, unknown>;

interface Target {
  readonly container: Container;
  readonly key: string;
}

interface Run {
  root: unknown;
  copiedBytes: number;
}

const missing = 'missing value';

function fail(message: string): PatchError {
  return new PatchError('inapplicable', message);
}

/** Runs `step`; what goes wrong inside is told behind upstream's words. */
function within<T>(words: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof PatchError) throw fail(`${words}: ${error.message}`);
    throw error;
  }
}

const invalidIndex = (index: number): PatchError => fail(`Unable to access invalid index: ${index}: invalid index referenced`);

function parseIndex(key: string): number {
  if (!/^[-+]?\d+$/.test(key)) throw fail(`strconv.Atoi: parsing ${JSON.stringify(key)}: invalid syntax`);
  return Number(key);
}

/** Index of an existing element; negative ones count from the end. */
function existingIndex(key: string, length: number): number {
  const index = parseIndex(key);
  if (index >= length || index < -length) throw invalidIndex(index);
  return index < 0 ? index + length : index;
}

/** Members that do not exist read as undefined, elements that do not exist are an error. */
function get({ container, key }: Target): unknown {
  if (Array.isArray(container)) return container[existingIndex(key, container.length)] as unknown;
  return Object.hasOwn(container, key) ? container[key] : undefined;
}

function set({ container, key }: Target, value: unknown): void {
  if (Array.isArray(container)) container[existingIndex(key, container.length)] = value;
  else setOwn(container, key, value);
}

function add({ container, key }: Target, value: unknown): void {
  if (!Array.isArray(container)) {
    setOwn(container, key, value);
  } else if (key === '-') {
    container.push(value);
  } else {
    const index = within(`value was not a proper array index: '${key}'`, () => parseIndex(key));
    const length = container.length + 1;
    if (index >= length || index < -length) throw invalidIndex(index);
    container.splice(index < 0 ? index + length : index, 0, value);
  }
}

function remove({ container, key }: Target): void {
  if (Array.isArray(container)) {
    container.splice(existingIndex(key, container.length), 1);
    return;
  }
  if (!Object.hasOwn(container, key)) throw fail(`Unable to remove nonexistent key: ${key}: ${missing}`);
  delete container[key];
}

const decodeKey = (part: string): string => part.replaceAll('~1', '/').replaceAll('~0', '~');

/** The container of the path's last part; undefined when something on the way is missing. */
function locate(run: Run, path: string): Target | undefined {
  const parts = path.split('/');
  if (parts.length < 2) return undefined;
  const key = decodeKey(parts.pop() ?? '');
  let at = run.root;
  for (const part of parts.slice(1)) {
    if (Array.isArray(at)) at = /^-?\d+$/.test(part) ? (at.at(Number(part)) as unknown) : undefined;
    else at = isRecord(at) ? get({ container: at, key: decodeKey(part) }) : undefined;
  }
  return Array.isArray(at) || isRecord(at) ? { container: at, key } : undefined;
}

function found(target: Target | undefined, message: string): Target {
  if (!target) throw fail(`${message}: ${missing}`);
  return target;
}

function addAt(target: Target, path: string, value: unknown): void {
  within(`error in add for path: '${path}'`, () => add(target, value));
}

function removeAt(target: Target, path: string): void {
  within(`error in remove for path: '${path}'`, () => remove(target));
}

function runReplace(run: Run, path: string, value: unknown): void {
  if (path === '') {
    if (!isRecord(value) && !Array.isArray(value)) throw fail('replace operation value must be object or array');
    run.root = value;
    return;
  }
  const target = found(locate(run, path), `replace operation does not apply: doc is missing path: ${path}`);
  try {
    get(target);
  } catch (error) {
    if (error instanceof PatchError) throw fail(`replace operation does not apply: doc is missing key: ${path}: ${missing}`);
    throw error;
  }
  set(target, value);
}

function runTest(run: Run, path: string, value: unknown): void {
  let actual = run.root;
  if (path !== '') {
    const target = found(locate(run, path), `test operation does not apply: is missing path: ${path}`);
    actual = within(`error in test for path: '${path}'`, () => get(target));
  }
  if (!deepEqual(actual ?? null, value)) throw fail(`testing value ${path} failed: test failed`);
}

function runMove(run: Run, from: string, path: string): void {
  const origin = found(locate(run, from), `move operation does not apply: doc is missing from path: ${from}`);
  const value = within(`error in move for path: '${origin.key}'`, () => {
    const moved = get(origin);
    remove(origin);
    return moved;
  });
  const target = found(locate(run, path), `move operation does not apply: doc is missing destination path: ${path}`);
  within(`error in move for path: '${path}'`, () => add(target, value));
}

function runCopy(run: Run, from: string, path: string): void {
  const origin = found(locate(run, from), `copy operation does not apply: doc is missing from path: ${from}`);
  const value = within(`error in copy for from: '${from}'`, () => get(origin)) ?? null;
  const target = found(locate(run, path), `copy operation does not apply: doc is missing destination path: ${path}`);
  run.copiedBytes += Buffer.byteLength(JSON.stringify(value));
  if (run.copiedBytes > maxCopiedBytes) {
    throw fail(`Unable to complete the copy, the accumulated size increase of copy is ${run.copiedBytes}, exceeding the limit ${maxCopiedBytes}`);
  }
  within('error while adding value during copy', () => add(target, cloneJson(value)));
}

function runOperation(run: Run, operation: Record<string, unknown>): void {
  const { op, path, from } = operation;
  const value = cloneJson(operation['value'] ?? null);
  const kind = typeof op === 'string' ? op : 'unknown';
  if (!['add', 'remove', 'replace', 'move', 'test', 'copy'].includes(kind)) throw fail(`Unexpected kind: ${kind}`);
  if ((kind === 'move' || kind === 'copy') && typeof from !== 'string') {
    throw fail(`${kind} operation failed to decode from: operation, missing from field: ${missing}`);
  }
  if (typeof path !== 'string') throw fail(`${kind} operation failed to decode path: ${missing}`);
  const missingPath = `${kind} operation does not apply: doc is missing path: "${path}"`;
  switch (kind) {
    case 'add':
      return addAt(found(locate(run, path), missingPath), path, value);
    case 'remove':
      return removeAt(found(locate(run, path), missingPath), path);
    case 'replace':
      return runReplace(run, path, value);
    case 'test':
      return runTest(run, path, value);
    case 'move':
      return runMove(run, from as string, path);
    default:
      return runCopy(run, from as string, path);
  }
}

function checkOperations(patch: unknown): Record<string, unknown>[] {
  if (!Array.isArray(patch)) {
    const what = isRecord(patch) ? 'object' : typeof patch === 'boolean' ? 'bool' : typeof patch;
    throw new PatchError('malformed', `json: cannot unmarshal ${what} into Go value of type jsonpatch.Patch`);
  }
  if (patch.length > maxOperations) {
    throw new PatchError('tooLarge', `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`);
  }
  const wrong = patch.find((operation) => !isRecord(operation)) as unknown;
  if (wrong !== undefined) throw new PatchError('malformed', `json: cannot unmarshal ${typeof wrong} into Go value of type jsonpatch.Operation`);
  return patch as Record<string, unknown>[];
}

/**
 * Applies RFC 6902 to a copy, as upstream's library does: `replace` of a member that does not exist adds it, `copy` of
 * one that does not exist writes null. Throws PatchError: malformed, tooLarge, or inapplicable.
 */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  const operations = checkOperations(patch);
  const run: Run = { root: cloneJson(target), copiedBytes: 0 };
  for (const operation of operations) runOperation(run, operation);
  return run.root;
}
