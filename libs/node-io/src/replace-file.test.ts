import { chmodSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { replaceFile } from './replace-file.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'replace-file-'));
  path = join(dir, 'config');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const modeOf = (file: string): number => statSync(file).mode & 0o777;

it('never writes into the file that is there: whoever has it open keeps all of the old', () => {
  replaceFile(path, 'old');
  linkSync(path, join(dir, 'open'));
  replaceFile(path, 'new');
  expect([readFileSync(path, 'utf8'), readFileSync(join(dir, 'open'), 'utf8')]).toEqual(['new', 'old']);
  expect(readdirSync(dir)).toEqual(['config', 'open']);
});

it('is for this user alone, unless told otherwise', () => {
  replaceFile(path, 'old', { mode: 0o644 });
  expect(modeOf(path)).toBe(0o644);
  chmodSync(path, 0o666);
  replaceFile(path, 'new', { owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 } });
  expect(modeOf(path)).toBe(0o600);
});

it('leaves nothing behind when it fails', () => {
  mkdirSync(join(path, 'in the way'), { recursive: true });
  expect(() => replaceFile(path, 'new')).toThrow('EISDIR');
  expect(readdirSync(dir)).toEqual(['config']);
});
