import { readFileSync } from 'node:fs';
import { UserError } from './user-error.ts';

/** The value in a JSON file of a cluster's data directory. Throws UserError for one that is damaged, with `advice`, which says what can be done about it. */
export function readJson(path: string, advice: string): unknown {
  const text = readFileSync(path, 'utf8');
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`${path} is damaged: ${advice}`);
  }
}
