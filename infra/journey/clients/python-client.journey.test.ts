import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type TestCluster, runCommand, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';

const script = join(dirname(fileURLToPath(import.meta.url)), 'python-client.py');

/** The first Python that has the client: the distribution's is often behind another in PATH. */
async function findPython(): Promise<string | undefined> {
  for (const program of ['python3', '/usr/bin/python3']) {
    const found = await runCommand(program, ['-c', 'import kubernetes']).catch(() => undefined);
    if (found?.code === 0) return program;
  }
  return undefined;
}

const python = await findPython();
let cluster: TestCluster | undefined;

beforeAll(async () => {
  if (python) cluster = await startTestCluster({ layout: 'single', nodes: 1 });
}, 60_000);
afterAll(() => cluster?.destroy(), 60_000);

if (python) {
  it('the Python client finds what it knows', { timeout: 120_000 }, async () => {
    const { code, stdout, stderr } = await runCommand(python, [script, cluster?.kubeconfig ?? ''], { timeoutMs: 110_000 });
    expect([stdout, stderr.split('\n').slice(-12).join('\n'), code]).toEqual(['typed_objects\nworkloads\nwatches\ndynamic_objects\nstreams\n', expect.any(String), 0]);
  });
} else {
  it.skip('no Python with the kubernetes package (python3-kubernetes) is here', () => undefined);
}
