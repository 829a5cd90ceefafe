import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { stampOf } from './memory.ts';
import { WatchedFiles } from './watched-files.ts';

it('tells of a file that has changed since it was loaded, be it before it was watched', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'orrery-watched-'));
  const [early, late, same] = ['early.ts', 'late.ts', 'same.ts'].map((name) => join(dir, name)) as [string, string, string];
  for (const file of [early, late, same]) writeFileSync(file, '');
  const stamps = Object.fromEntries([early, late, same].map((file) => [file, stampOf(file)]));
  const told: string[] = [];
  let tell = (): void => undefined;
  const files = new WatchedFiles((file) => {
    told.push(file);
    tell();
  });
  const next = (): Promise<void> => new Promise((resolve) => (tell = resolve));
  utimesSync(early, 1, 1);
  const first = next();
  files.add(stamps);
  await first;
  const second = next();
  utimesSync(late, 1, 1);
  await second;
  expect(told).toEqual([early, late]);
  files.close();
  rmSync(dir, { recursive: true });
});
