import { criChannel } from '@orrery/cri';
import { criContract } from '@orrery/cri/contract';
import { startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, describe, it, onTestFailed } from 'vitest';
import { type RealNode, realNodeStory } from './containerd-kubelet.ts';
import { type ContainerdMachine, noContainerd, startContainerd, testImage } from './containerd-machine.ts';

const why = noContainerd();

describe.skipIf(why)(`containerd${why ? ` (not run: ${why})` : ''}`, () => {
  let machine: ContainerdMachine;

  beforeAll(async () => {
    machine = await startContainerd();
  }, 120_000);
  afterAll(async () => {
    await machine?.stop();
  }, 120_000);

  it('runs the pods of a kubelet that joins by a token', { timeout: 400_000 }, async () => {
    const cluster = await startTestCluster({ layout: 'single', nodes: 1 });
    let node: RealNode | undefined;
    onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n--- kubelet\n${node?.logs() ?? ''}\n--- containerd\n${machine.logs()}\n`));
    try {
      await realNodeStory(cluster, machine, (started) => (node = started));
    } finally {
      await node?.stop();
      await cluster.destroy();
    }
  });

  criContract('containerd', () => criChannel(machine.endpoint), { image: testImage });
});
