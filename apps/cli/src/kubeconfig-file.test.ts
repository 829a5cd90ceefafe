import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parse } from 'yaml';
import { writeKubeconfig } from './kubeconfig-file.ts';

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'orrery-kubeconfig-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const config = (name: string, server: string): string =>
  JSON.stringify({ clusters: [{ name, cluster: { server } }], users: [{ name: 'u' }], contexts: [{ name: `u@${name}` }], 'current-context': `u@${name}` });

it('keeps other clusters, replaces its own, and becomes current', () => {
  const path = join(dir, 'sub', 'config');
  writeKubeconfig(path, config('a', 'https://1'));
  writeKubeconfig(path, config('b', 'https://2'));
  writeKubeconfig(path, config('a', 'https://3'));
  const merged = parse(readFileSync(path, 'utf8')) as { clusters: unknown[]; users: unknown[]; 'current-context': string };
  expect(merged.clusters).toEqual([{ name: 'b', cluster: { server: 'https://2' } }, { name: 'a', cluster: { server: 'https://3' } }]);
  expect(merged.users).toHaveLength(1);
  expect(merged['current-context']).toBe('u@a');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

it('refuses a file that is no kubeconfig', () => {
  const path = join(dir, 'notes');
  writeFileSync(path, 'hello');
  expect(() => writeKubeconfig(path, config('a', 'x'))).toThrow('is not a kubeconfig');
});
