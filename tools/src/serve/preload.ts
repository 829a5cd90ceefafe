/**
 * What `tools/serve.ts` has a component load first, so that a restart takes little: most of a start from source is finding the module behind each import
 * and taking its types out, and hardly any of that is different from the start before. Where imports led and what files are without their types is kept
 * in the file `$ORRERY_SERVE_MEMORY`. Tells its parent, once all is loaded, of which files the component is made.
 */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type FilesMessage, readMemory, stampOf, stripped, writeMemory } from './memory.ts';

/** A start is over when nothing was loaded for so long. */
const quietMs = 1_000;

const path = process.env['ORRERY_SERVE_MEMORY'] ?? '';
const memory = readMemory(path);
const files: Record<string, string> = {};
let isNew = false;
let isTold = true;
let quiet: NodeJS.Timeout | undefined;

function keep(): void {
  if (isNew) writeMemory(path, { ...memory, files: { ...memory.files, ...files } });
  isNew = false;
}

function loaded(file: string, stamp: string): void {
  if (files[file] !== undefined) return;
  files[file] = stamp;
  isTold = false;
  if (quiet) quiet.refresh();
  else quiet = setTimeout(tell, quietMs).unref();
}

function tell(): void {
  keep();
  if (!isTold) process.send?.({ type: 'files', files } satisfies FilesMessage);
  isTold = true;
}

registerHooks({
  resolve(specifier, context, next) {
    // What is required is of other packages, and found by other rules.
    if (!context.conditions.includes('import')) return next(specifier, context);
    const key = `${specifier}\n${context.parentURL ?? ''}`;
    const known = memory.resolved[key];
    if (known) return { ...known, shortCircuit: true };
    const { url, format } = next(specifier, context);
    if (url.startsWith('file:')) {
      memory.resolved[key] = { url, ...(format ? { format } : {}) };
      isNew = true;
    }
    return { url, ...(format ? { format } : {}) };
  },
  load(url, context, next) {
    if (!url.startsWith('file:') || url.includes('/node_modules/')) return next(url, context);
    const file = fileURLToPath(url);
    const stamp = stampOf(file);
    loaded(file, stamp);
    if (!file.endsWith('.ts')) return next(url, context);
    const known = memory.sources[file];
    if (known?.stamp === stamp) return { format: 'module', source: known.source, shortCircuit: true };
    const now = stripped(file);
    memory.sources[file] = now;
    isNew = true;
    return { format: 'module', source: now.source, shortCircuit: true };
  },
});
// A start that fails is told of, too: its files are those to wait for.
process.on('exit', keep);
