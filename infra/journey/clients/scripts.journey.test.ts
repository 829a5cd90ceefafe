import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type TestCluster, runCommand, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

interface Language {
  readonly name: string;
  /** The first that has the library: the distribution's is often behind another in PATH. */
  readonly programs: readonly string[];
  /** Arguments that succeed only where the library is. */
  readonly probe: readonly string[];
  readonly script: string;
  /** Debian's package. */
  readonly library: string;
  /** What the script prints when a part of it has gone well. */
  readonly steps: readonly string[];
}

const languages: readonly Language[] = [
  { name: 'Python', programs: ['python3', '/usr/bin/python3'], probe: ['-c', 'import kubernetes'], script: 'python-client.py', library: 'python3-kubernetes', steps: ['typed_objects', 'workloads', 'watches', 'dynamic_objects', 'streams'] },
  { name: 'Ruby', programs: ['ruby', '/usr/bin/ruby'], probe: ['-e', "require 'kubeclient'"], script: 'ruby-client.rb', library: 'ruby-kubeclient', steps: ['discovery', 'objects', 'watches', 'workloads'] },
];

async function findProgram({ programs, probe }: Language): Promise<string | undefined> {
  for (const program of programs) {
    const found = await runCommand(program, probe).catch(() => undefined);
    if (found?.code === 0) return program;
  }
  return undefined;
}

const found = await Promise.all(languages.map(async (language) => ({ ...language, program: await findProgram(language) })));
const here = dirname(fileURLToPath(import.meta.url));
let cluster: TestCluster | undefined;

beforeAll(async () => {
  if (found.some(({ program }) => program)) cluster = await startTestCluster({ layout: 'single', nodes: 1 });
}, 60_000);
afterAll(() => cluster?.destroy(), 60_000);

describe('the client of', () => {
  for (const { name, program, script, library, steps } of found) {
    if (program) {
      it(`${name} finds what it knows`, { timeout: 120_000 }, async () => {
        const { code, stdout, stderr } = await runCommand(program, [join(here, script), cluster?.kubeconfig ?? ''], { timeoutMs: 110_000 });
        expect({ steps: stdout.trim().split('\n'), code, stderr: code === 0 ? '' : stderr }).toEqual({ steps, code: 0, stderr: '' });
      });
    } else {
      it.skip(`${name} is not looked at: ${library} is not installed`, () => undefined);
    }
  }
});
