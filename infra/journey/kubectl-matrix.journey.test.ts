import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestCluster, findKubectls, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import * as flows from './kubectl-flows.ts';
import * as read from './kubectl-read.ts';
import { tops } from './kubectl-top.ts';
import * as work from './kubectl-work.ts';
import * as write from './kubectl-write.ts';
import { type Line, play } from './transcript.ts';

/** Every command and flag that reaches the server, with every kubectl at hand; ORRERY_KUBECTL_MINORS=32,33 chooses some, as `npm test` does. */
const wanted = process.env['ORRERY_KUBECTL_MINORS']?.split(',').map(Number);
const programs = findKubectls().filter(({ minor }) => minor >= 27 && (wanted?.includes(minor) ?? true));
const chosen = [...new Map(programs.map((program) => [program.minor, program])).values()];
const dir = mkdtempSync(join(tmpdir(), 'orrery-matrix-'));
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startTestCluster({ layout: 'single', nodes: 3 });
}, 60_000);
afterAll(async () => {
  await cluster?.destroy();
  rmSync(dir, { recursive: true, force: true });
}, 60_000);
beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

function writeFiles(cwd: string, namespace: string): void {
  for (const [name, text] of Object.entries({ ...read.files, ...write.files, ...work.files })) {
    const file = join(cwd, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text.replaceAll(/(?<![A-Z])NS(?![A-Z])/g, namespace), { mode: name.endsWith('.sh') ? 0o755 : 0o644 });
  }
}

describe.each(chosen.map(({ version, path, minor }) => [version, path, minor] as const))('kubectl %s', (_version, path, minor) => {
  const at = (namespace: string): flows.Flow => ({ kubectl: cluster.kubectl(path), namespace: `${namespace}-${minor}`, cwd: join(dir, `${namespace}-${minor}`), program: path, kubeconfig: cluster.kubeconfig });
  const told = (namespace: string, lines: readonly Line[]): Promise<void> => {
    writeFiles(at(namespace).cwd, at(namespace).namespace);
    return play(at(namespace), lines);
  };

  describe('reads', () => {
    it('in every output', { timeout: 60_000 }, () => told('read', read.outputs));
    it('with every option', { timeout: 60_000 }, () => told('read', read.options));
    it('every kind', { timeout: 60_000 }, () => told('read', read.kinds));
    it('and describes them', { timeout: 60_000 }, () => told('read', read.described));
    it('what the server tells of itself', { timeout: 60_000 }, () => told('read', work.told));
    it('and cleans up', { timeout: 60_000 }, () => told('read', read.end));
  });
  describe('writes', () => {
    it('with every generator', { timeout: 60_000 }, () => told('write', write.generators));
    it('by applying, in every way', { timeout: 60_000 }, () => told('write', write.applied));
    it('what it shows first', { timeout: 60_000 }, () => told('write', write.diffed));
    it('by editing, patching, replacing, reconciling', { timeout: 60_000 }, () => told('write', write.changed));
    it('labels and notes', { timeout: 60_000 }, () => told('write', write.marked));
    if (minor >= 29) it('only after asking', { timeout: 60_000 }, () => told('write', write.asked));
    it('and deletes', { timeout: 60_000 }, () => told('write', write.deleted));
  });
  describe('works', () => {
    it('with workloads', { timeout: 60_000 }, () => told('work', work.workloads));
    it('with rollouts', { timeout: 90_000 }, () => told('work', work.rollouts));
    it('in containers', { timeout: 120_000 }, () => told('work', work.streams));
    it('on nodes', { timeout: 90_000 }, () => told('work', work.nodes));
    it('and goes', { timeout: 120_000 }, () => told('work', work.end));
  });
  describe('goes on', () => {
    it('watching', { timeout: 60_000 }, async () => {
      writeFiles(at('flow').cwd, at('flow').namespace);
      expect(await at('flow').kubectl.ok(['create', 'namespace', at('flow').namespace])).toContain('created');
      await flows.watches(at('flow'));
    });
    it('waiting', { timeout: 60_000 }, () => flows.waits(at('flow')));
    it('following', { timeout: 60_000 }, () => flows.follows(at('flow')));
    it('forwarding', { timeout: 60_000 }, () => flows.forwards(at('flow')));
    it('from elsewhere', { timeout: 60_000 }, () => flows.takesFromUrls(at('flow')));
    it('approving and denying', { timeout: 60_000 }, () => flows.certifies(at('flow')));
    it('telling what is used', { timeout: 60_000 }, () => tops(at('flow')));
    it('until the end', { timeout: 60_000 }, () => told('flow', work.end));
  });
});

if (programs.length === 0) it.skip('no kubectl of 1.27 or later is on PATH: no matrix to run', () => undefined);
