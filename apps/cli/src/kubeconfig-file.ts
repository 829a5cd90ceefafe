import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { replaceFile } from '@orrery/node-io';
import { YAMLParseError, parse, stringify } from 'yaml';
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

function existing(path: string): Kubeconfig {
  try {
    const old = parse(readFileSync(path, 'utf8')) as unknown;
    if (typeof old === 'object' && old !== null) return old as Kubeconfig;
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
  }
  throw new UserError(`${path} is not a kubeconfig; name another file with --kubeconfig, or remove this one`);
}

/** Writes a kubeconfig with mode 0600. A file that is already there keeps its other clusters; the new context becomes current. */
export function writeKubeconfig(path: string, text: string): void {
  const added = parse(text) as Kubeconfig;
  let result: Kubeconfig = added;
  if (existsSync(path) && readFileSync(path, 'utf8').trim() !== '') {
    const old = existing(path);
    result = {
      ...old,
      ...added,
      clusters: merged(old.clusters, added.clusters),
      users: merged(old.users, added.users),
      contexts: merged(old.contexts, added.contexts),
    };
  }
  mkdirSync(dirname(path), { recursive: true });
  replaceFile(path, stringify(result, { lineWidth: 0 }));
}
