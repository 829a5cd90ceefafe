import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProcessFaults } from '@orrery/chaos';
import { silentLogger } from '@orrery/runtime';
import { expect, it, vi } from 'vitest';
import { appliedFile, followFaultsFile } from './faults-file.ts';

it('follows what a file says, says so, and keeps to the last that it understood', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'orrery-faults-'));
  const file = join(dir, 'store.json');
  const tell = (text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  const faults = new ProcessFaults();
  tell('{"revision":"1","faults":[{"id":"a","clockMs":5}]}');
  const followed = followFaultsFile(file, { faults, log: silentLogger });
  try {
    // What was told before it began counts, too: it may be one that was started again.
    expect([faults.clockOffsetMs, readFileSync(appliedFile(file), 'utf8')]).toEqual([5, '1']);
    tell('{"revision":"2","faults":[{"id":"a","clockMs":5},{"id":"b","disk":{"kind":"disk-full"}}]}');
    await vi.waitFor(() => expect(readFileSync(appliedFile(file), 'utf8')).toBe('2'), { timeout: 60_000 });
    expect([faults.clockOffsetMs, faults.disk.active]).toEqual([5, true]);
    tell('nonsense');
    tell('{"revision":"3","faults":[]}');
    await vi.waitFor(() => expect(readFileSync(appliedFile(file), 'utf8')).toBe('3'), { timeout: 60_000 });
    expect([faults.clockOffsetMs, faults.disk.active]).toEqual([0, false]);
  } finally {
    followed.close();
    rmSync(dir, { recursive: true });
  }
  expect(existsSync(dir)).toBe(false);
}, 180_000);
