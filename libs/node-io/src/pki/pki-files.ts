import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyPair } from './x509.ts';

/** Where key material is kept. */
export interface PkiFiles {
  readPair(name: string): KeyPair | undefined;
  writePair(name: string, pair: KeyPair): void;
  readKey(name: string): string | undefined;
  /** Returns the key. */
  writeKey(name: string, key: string): string;
  /** Runs `fn` while no other process changes these files. */
  exclusively<T>(fn: () => T): T;
}

export function memoryFiles(): PkiFiles {
  const pairs = new Map<string, KeyPair>();
  const keys = new Map<string, string>();
  return {
    readPair: (name) => pairs.get(name),
    writePair: (name, pair) => void pairs.set(name, pair),
    readKey: (name) => keys.get(name),
    writeKey: (name, key) => (keys.set(name, key), key),
    exclusively: (fn) => fn(),
  };
}

const staleLockMs = 10_000;

function lock(path: string): void {
  const waiter = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    try {
      closeSync(openSync(path, 'wx', 0o600));
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const since = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && Date.now() - since > staleLockMs) rmSync(path, { force: true });
    else Atomics.wait(waiter, 0, 0, 5);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** `NAME.crt` and `NAME.key` in a directory; whole files appear at once, keys are readable by the owner only. */
export function directoryFiles(dir: string): PkiFiles {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  const write = (file: string, text: string): void => {
    const path = join(dir, file);
    // On disk before its name is: a key that is lost takes with it all that was made by it.
    writeFileSync(`${path}.tmp`, text, { mode: 0o600, flush: true });
    renameSync(`${path}.tmp`, path);
  };
  let held = false;
  return {
    readPair(name) {
      const cert = readIfThere(join(dir, `${name}.crt`));
      const key = readIfThere(join(dir, `${name}.key`));
      // What is empty is damaged, not missing.
      return cert !== undefined && key !== undefined ? { cert, key } : undefined;
    },
    writePair(name, pair) {
      write(`${name}.key`, pair.key);
      write(`${name}.crt`, pair.cert);
    },
    readKey: (name) => readIfThere(join(dir, `${name}.key`)),
    writeKey: (name, key) => (write(`${name}.key`, key), key),
    exclusively(fn) {
      if (held) return fn();
      const path = join(dir, '.lock');
      lock(path);
      held = true;
      try {
        return fn();
      } finally {
        held = false;
        rmSync(path, { force: true });
      }
    },
  };
}
