import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '@orrery/testkit';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** A component run by `nx serve`, from source, in place of a cluster's own. */
export interface Served {
  /** Identities by which it has led so far, in order. */
  led(): readonly string[];
  /** Resolves with the identity by which it leads for the `n`-th time. */
  leads(n: number): Promise<string>;
  /** As an editor that saves a file. */
  save(file: string): void;
  end(): Promise<void>;
}

export function serve(component: string, { dataDir }: { readonly dataDir: string }): Served {
  const child: ChildProcess = spawn(process.execPath, [join(root, 'tools/serve.ts'), component, '--data-dir', dataDir], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text: Buffer) => (said += text.toString()));
  const led = (): string[] => [...said.matchAll(/"msg":"became leader".*"identity":"([^"]+)"/g)].map(([, identity = '']) => identity);
  return {
    led,
    leads: (n) => eventually(() => led()[n - 1] ?? false, { what: `${component} leads for the ${n}. time`, withinMs: 90_000, everyMs: 50 }).catch((error: Error) => Promise.reject(new Error(`${error.message}; it said:\n${said}`))),
    save: (file) => utimesSync(join(root, file), new Date(), new Date()),
    async end() {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}
