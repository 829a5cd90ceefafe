import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ensureEncryptionConfig } from './encryption-config.ts';

describe('ensureEncryptionConfig', () => {
  let root = '';
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'orrery-cli-'))));
  afterEach(() => rmSync(root, { recursive: true }));

  it('makes a private file with a key once, and leaves it alone afterwards', () => {
    const path = ensureEncryptionConfig({ root });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const text = readFileSync(path, 'utf8');
    const [rule] = (parse(text) as { resources: { resources: string[]; providers: { aesgcm?: { keys: { secret: string }[] }; identity?: object }[] }[] }).resources;
    expect(rule?.resources).toEqual(['secrets']);
    expect(Buffer.from(rule?.providers[0]?.aesgcm?.keys[0]?.secret ?? '', 'base64')).toHaveLength(32);
    expect(rule?.providers[1]?.identity).toEqual({});
    expect(ensureEncryptionConfig({ root })).toBe(path);
    expect(readFileSync(path, 'utf8')).toBe(text);
  });
});
