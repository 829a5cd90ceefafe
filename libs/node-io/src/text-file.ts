import { readFileSync } from 'node:fs';

/** The text of a file (UTF-8). Throws Node's error, whose message names the path. For small files read at start or now and then. */
export function readTextFile(path: string): string {
  return readFileSync(path, 'utf8');
}

/** A setting that holds either the text itself (it has a line break) or the path of a file with it. */
export function textOrFile(value: string): string {
  return value === '' || value.includes('\n') ? value : readTextFile(value);
}
