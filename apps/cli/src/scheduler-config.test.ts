import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { withSchedulerConfig } from './scheduler-config.ts';
import { ExitCode } from './user-error.ts';

const dir = mkdtempSync(join(tmpdir(), 'orrery-scheduler-config-'));
afterAll(() => rmSync(dir, { recursive: true }));

const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';
const none = { extra: {}, without: [] };

function file(text: string): string {
  const path = join(dir, 'scheduler.yaml');
  writeFileSync(path, text);
  return path;
}

it('becomes a flag of the scheduler, by its absolute path', () => {
  const path = file(`${head}profiles: [{schedulerName: default-scheduler}, {schedulerName: packed}]`);
  expect(withSchedulerConfig(relative(process.cwd(), path), { extra: { scheduler: ['--leader-elect=false'] }, without: ['coredns'] })).toEqual({ scheduler: ['--leader-elect=false', `--config=${path}`] });
});

it.each([
  ['a field that there is not', `${head}profilez: []`, 'unknown field "profilez"'],
  ['another kind', 'apiVersion: v1\nkind: Pod', 'no kind "Pod" is registered for version "v1"'],
  ['a plugin that there is not', `${head}profiles: [{plugins: {multiPoint: {enabled: [{name: Nothing}]}}}]`, 'creating profile for scheduler name default-scheduler: PreEnqueuePlugin "Nothing" does not exist'],
  ['two profiles of one name', `${head}profiles: [{schedulerName: a}, {schedulerName: a}]`, 'profiles[1].schedulerName: Duplicate value'],
])('refuses %s', (_, text, words) => {
  const path = file(text);
  expect(() => withSchedulerConfig(path, none)).toThrow(expect.objectContaining({ message: expect.stringContaining(words), exitCode: ExitCode.usage }));
});

it('refuses a file that is not there, a second one, and a cluster without a scheduler', () => {
  const refusal = (words: string) => expect.objectContaining({ message: expect.stringContaining(words), exitCode: ExitCode.usage });
  expect(() => withSchedulerConfig(join(dir, 'absent.yaml'), none)).toThrow(refusal('absent.yaml'));
  expect(() => withSchedulerConfig('a.yaml', { extra: { scheduler: ['--config=b.yaml'] }, without: [] })).toThrow(refusal('say the same'));
  expect(() => withSchedulerConfig('a.yaml', { extra: {}, without: ['scheduler'] })).toThrow(refusal('--without'));
});
