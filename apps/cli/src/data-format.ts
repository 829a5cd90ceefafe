import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '@orrery/node-io';
import { UserError } from './user-error.ts';
import { version } from './version.ts';

/** Of a cluster's data directory as this build lays it out: where things are, and in which form. Raised by what an older build would misread. */
export const dataFormat = 1;

const file = (root: string): string => join(root, 'format.json');

function formatIn(root: string): { format: number; writtenBy: string } | undefined {
  if (!existsSync(file(root))) return undefined;
  try {
    const { format, writtenBy } = JSON.parse(readFileSync(file(root), 'utf8')) as { format?: unknown; writtenBy?: unknown };
    if (typeof format === 'number' && Number.isInteger(format) && format > 0) return { format, writtenBy: String(writtenBy) };
  } catch {
    // Said below.
  }
  throw new UserError(`${file(root)} does not say which format the data has: put it back, or take another --data-dir`);
}

/**
 * Refuses a data directory that a newer build has written, and notes in one that is new (or from before there were formats) which build it is of. The
 * stores check their own data besides (`member.json`).
 */
export function checkDataFormat(root: string): void {
  const found = formatIn(root);
  if (found && found.format > dataFormat) {
    throw new UserError(`${root} has data of format ${found.format}, written by orrery ${found.writtenBy}; this is ${version}, which knows formats up to ${dataFormat}: use the newer build, or another --data-dir`);
  }
  if (found?.format !== dataFormat || found.writtenBy !== version) replaceFile(file(root), `${JSON.stringify({ format: dataFormat, writtenBy: version })}\n`);
}
