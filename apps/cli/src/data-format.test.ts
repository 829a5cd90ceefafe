import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkDataFormat, dataFormat } from './data-format.ts';
import { version } from './version.ts';

describe('the format of a data directory', () => {
  let root = '';
  const file = (): string => join(root, 'format.json');
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'orrery-format-'))));
  afterEach(() => rmSync(root, { recursive: true }));

  it('is noted in a new one, and taken again', () => {
    checkDataFormat(root);
    checkDataFormat(root);
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toEqual({ format: dataFormat, writtenBy: version });
  });

  it('of a newer build is refused, by name, and left as it is', () => {
    const newer = JSON.stringify({ format: dataFormat + 1, writtenBy: '9.9.9' });
    writeFileSync(file(), newer);
    expect(() => checkDataFormat(root)).toThrow(`${root} has data of format ${dataFormat + 1}, written by orrery 9.9.9; this is ${version}, which knows formats up to ${dataFormat}`);
    expect(readFileSync(file(), 'utf8')).toBe(newer);
  });

  it.each(['', '{}', '{"format":"1"}', '{"format":0}'])('is not guessed from %j', (text) => {
    writeFileSync(file(), text);
    expect(() => checkDataFormat(root)).toThrow('does not say which format');
  });
});
