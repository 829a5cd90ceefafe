import { eventually } from '@orrery/testkit';
import { expect } from 'vitest';
import type { Transcript } from './transcript.ts';

const container = (name: string): object => ({ name, image: 'registry.k8s.io/pause:3.10' });

/** A pod that uses what its annotations say. */
const busy = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'busy', labels: { app: 'busy' }, annotations: { 'orrery.dev/cpu.a': '120m', 'orrery.dev/memory.a': '64Mi', 'orrery.dev/cpu.b': '30m', 'orrery.dev/memory.b': '1Mi' } },
  spec: { terminationGracePeriodSeconds: 0, containers: [container('a'), container('b')] },
};

/** `kubectl top`: the metrics server is found through the API server, and says what nodes and pods use. */
export async function tops({ kubectl, namespace }: Transcript): Promise<void> {
  await kubectl.ok(['wait', '--for=condition=Available', 'apiservice/v1beta1.metrics.k8s.io', '--timeout=90s']);
  await kubectl.ok(['-n', namespace, 'apply', '-f', '-'], { input: JSON.stringify(busy) });
  await kubectl.ok(['-n', namespace, 'wait', '--for=condition=Ready', 'pod/busy', '--timeout=90s']);
  const top = (...args: string[]): Promise<string> => kubectl.ok(['-n', namespace, 'top', ...args]);
  try {
    // Two samples of a new pod are a period apart.
    const line = await eventually(() => top('pod', 'busy'), { what: 'metrics of the pod', withinMs: 45_000 });
    expect(line).toMatch(/^NAME {3}CPU\(cores\) {3}MEMORY\(bytes\) {3}\nbusy {3}150m {9}65Mi {12}\n$/);
    expect(await top('pod', 'busy', '--containers', '--no-headers')).toMatch(/busy +a +120m +64Mi +\n/);
    expect(await top('pod', 'busy', '--containers', '--no-headers')).toMatch(/busy +b +30m +1Mi +\n/);
    expect(await top('nodes')).toMatch(/^NAME +CPU\(cores\) +CPU[(%]+\)? +MEMORY\(bytes\) +MEMORY[(%]+\)? +\nnode-1 +\d+m +\d+% +\d+Mi +\d+% +\n/);
    expect(await top('pods', '-l', 'app=busy', '--sort-by=memory', '--sum')).toMatch(/busy +150m +65Mi[\s\S]*\n +_+ +_+ +\n +150m +65Mi +\n$/);
    expect((await kubectl.run(['top', 'pods', '-A', '-l', 'no=body'])).stderr).toContain('No resources found');
    const none = await kubectl.run(['-n', namespace, 'top', 'pod', 'nope']);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('NotFound')]);
  } finally {
    await kubectl.run(['-n', namespace, 'delete', 'pod', 'busy', '--ignore-not-found']);
  }
}
