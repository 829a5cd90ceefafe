import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rotatingFile } from './rotating-file.ts';

const start = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

describe('rotatingFile', () => {
  let dir = '';
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'orrery-log-'))));
  afterEach(() => rmSync(dir, { recursive: true }));
  const errors: unknown[] = [];
  const settled = async (check: () => boolean): Promise<void> => {
    for (let i = 0; i < 200 && !check(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(check()).toBe(true);
  };

  it('sets a full file aside, keeps as many as told, and goes on with a private file', async () => {
    const path = join(dir, 'sub', 'audit.log');
    let now = start;
    const log = rotatingFile({ path, maxMegabytes: 1, maxAgeDays: 0, maxBackups: 2, compress: false, now: () => now, onError: (e) => errors.push(e) });
    for (let i = 0; i < 8; i++) {
      log.write(Buffer.alloc(600 * 1024, 0x30 + i));
      now += 60_000;
    }
    const names = (): string[] => readdirSync(join(dir, 'sub')).sort();
    await settled(() => names().length === 3);
    expect(names()).toEqual(['audit-2026-01-02T03-10-05.678.log', 'audit-2026-01-02T03-11-05.678.log', 'audit.log']);
    expect(readFileSync(path, 'utf8')[0]).toBe('7');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    log.close();
    expect(errors).toEqual([]);
  });

  it('appends to what is there, drops old files and compresses others', async () => {
    const path = join(dir, 'audit.log');
    let now = start;
    const open = (maxAgeDays: number, compress: boolean) => rotatingFile({ path, maxMegabytes: 1, maxAgeDays, maxBackups: 0, compress, now: () => now, onError: (e) => errors.push(e) });
    const first = open(0, false);
    first.write(Buffer.alloc(900 * 1024, 0x61));
    first.close();
    const second = open(3, true);
    second.write(Buffer.alloc(900 * 1024, 0x62));
    await settled(() => readdirSync(dir).some((name) => name.endsWith('.gz')));
    const [packed = ''] = readdirSync(dir).filter((name) => name.endsWith('.gz'));
    await settled(() => readdirSync(dir).length === 2);
    expect(gunzipSync(readFileSync(join(dir, packed))).equals(Buffer.alloc(900 * 1024, 0x61))).toBe(true);
    now += 4 * 24 * 60 * 60 * 1000;
    second.write(Buffer.alloc(900 * 1024, 0x63));
    await settled(() => readdirSync(dir).length === 2 && !readdirSync(dir).includes(packed));
    second.close();
    expect(errors).toEqual([]);
  });
});
