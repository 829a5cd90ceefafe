import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parse, stringify } from 'yaml';
import { UserError } from './user-error.ts';

interface Named {
  name: string;
}

interface Kubeconfig {
  clusters?: Named[];
  users?: Named[];
  contexts?: Named[];
  'current-context'?: string;
}

function merged(existing: readonly Named[] | undefined, added: readonly Named[] | undefined): Named[] {
  const names = new Set(added?.map((entry) => entry.name));
  return [...(existing ?? []).filter((entry) => !names.has(entry.name)), ...(added ?? [])];
}

/** Writes a kubeconfig with mode 0600. A file that is already there keeps its other clusters; the new context becomes current. */
export function writeKubeconfig(path: string, text: string): void {
  const added = parse(text) as Kubeconfig;
  let result: Kubeconfig = added;
  if (existsSync(path) && readFileSync(path, 'utf8').trim() !== '') {
    const old = parse(readFileSync(path, 'utf8')) as Kubeconfig | null;
    if (typeof old !== 'object' || old === null) throw new UserError(`${path} is not a kubeconfig; name another file with --kubeconfig`);
    result = {
      ...old,
      ...added,
      clusters: merged(old.clusters, added.clusters),
      users: merged(old.users, added.users),
      contexts: merged(old.contexts, added.contexts),
    };
  }
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, stringify(result, { lineWidth: 0 }), { mode: 0o600 });
  renameSync(temporary, path);
}
