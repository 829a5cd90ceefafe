import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname } from 'node:path';

/** A file without its types, each line and column where it was; and by which time and size it was that. */
export interface Stripped {
  readonly stamp: string;
  readonly source: string;
}

/** What a start of a component leaves to the next one. */
export interface ServeMemory {
  /** By `SPECIFIER\nURL of who imports it`: where an import leads. */
  readonly resolved: Record<string, { readonly url: string; readonly format?: string }>;
  /** By path. */
  readonly sources: Record<string, Stripped>;
  /** By path of all files that were loaded, those of other packages left out: their stamps. */
  readonly files: Readonly<Record<string, string>>;
}

/** What `tools/serve.ts` is told by the process that it runs, beside what supervisors are told. */
export interface FilesMessage {
  readonly type: 'files';
  /** By path, the stamp of what was loaded. */
  readonly files: Readonly<Record<string, string>>;
}

/** Empty of a file that is not there. */
export function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found ? `${found.mtimeMs} ${found.size}` : '';
}

export function stripped(file: string): Stripped {
  return { stamp: stampOf(file), source: stripTypeScriptTypes(readFileSync(file, 'utf8')) };
}

const changesOf = (path: string): string => `${path}.changes`;

function read<T>(path: string, none: T): T {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : none;
}

/** At once or not at all: who writes may be killed. */
function write(path: string, value: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, JSON.stringify(value));
  renameSync(`${path}.new`, path);
}

/** Empty where there is none. */
export function readMemory(path: string): ServeMemory {
  const memory = read<ServeMemory>(path, { resolved: {}, sources: {}, files: {} });
  return { ...memory, sources: { ...memory.sources, ...read<ServeMemory['sources']>(changesOf(path), {}) } };
}

export function writeMemory(path: string, memory: ServeMemory): void {
  write(path, memory);
}

/** What the next start need not do itself: little, and so much sooner written than all. A file that is no TypeScript now is left to it. */
export function rememberChange(path: string, file: string): void {
  try {
    write(changesOf(path), { ...read<ServeMemory['sources']>(changesOf(path), {}), [file]: stripped(file) });
  } catch (error) {
    if (!(error instanceof SyntaxError) && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

export function forget(path: string): void {
  for (const file of [path, changesOf(path)]) rmSync(file, { force: true });
}
