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
  /** Arguments before the script. */
  readonly run?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Compiling the library for the first time takes minutes. */
  readonly timeoutMs?: number;
  /** Debian's package. */
  readonly library: string;
  /** What the script prints when a part of it has gone well. */
  readonly steps: readonly string[];
}

/** Where Debian puts the sources of Go libraries; without modules, so that nothing is fetched. */
const goEnv = { GO111MODULE: 'off', GOPATH: process.env['GOPATH'] ?? '/usr/share/gocode' };

const languages: readonly Language[] = [
  { name: 'Python', programs: ['python3', '/usr/bin/python3'], probe: ['-c', 'import kubernetes'], script: 'python-client.py', library: 'python3-kubernetes', steps: ['typed_objects', 'workloads', 'watches', 'dynamic_objects', 'streams'] },
  { name: 'Ruby', programs: ['ruby', '/usr/bin/ruby'], probe: ['-e', "require 'kubeclient'"], script: 'ruby-client.rb', library: 'ruby-kubeclient', steps: ['discovery', 'objects', 'watches', 'workloads'] },
  { name: 'Go', programs: ['go'], probe: ['list', 'k8s.io/client-go/kubernetes'], script: 'go-client.go', run: ['run'], env: goEnv, timeoutMs: 900_000, library: 'golang-k8s-client-go-dev', steps: ['typed', 'informed', 'dynamics', 'elected', 'streamed'] },
];

async function findProgram({ programs, probe, env = {} }: Language): Promise<string | undefined> {
  for (const program of programs) {
    const found = await runCommand(program, probe, { env }).catch(() => undefined);
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
  for (const { name, program, script, run = [], env = {}, timeoutMs = 110_000, library, steps } of found) {
    if (program) {
      it(`${name} finds what it knows`, { timeout: timeoutMs + 10_000 }, async () => {
        const { code, stdout, stderr } = await runCommand(program, [...run, join(here, script), cluster?.kubeconfig ?? ''], { env, timeoutMs });
        expect({ steps: stdout.trim().split('\n'), code, stderr: code === 0 ? '' : stderr }).toEqual({ steps, code: 0, stderr: '' });
      });
    } else {
      it.skip(`${name} is not looked at: ${library} is not installed`, () => undefined);
    }
  }
});
