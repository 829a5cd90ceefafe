/**
 * A user's test that is killed: starts a cluster of containers, says how to reach it, then injects a fault for each line it reads and answers `done`, or why not. A line
 * `end` ends the fault before.
 */
import { createInterface } from 'node:readline';
import { type FaultInput, startCluster } from '@orrery/testkit';

const say = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`);
const cluster = await startCluster({ world: 'compose' });
say({ kubeconfig: cluster.kubeconfig });
let last: { end(): Promise<void> } | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  try {
    if (line === 'end') await last?.end();
    else last = await cluster.chaos.inject(JSON.parse(line) as FaultInput);
    say({ done: true });
  } catch (error) {
    say({ error: (error as Error).message });
  }
}
