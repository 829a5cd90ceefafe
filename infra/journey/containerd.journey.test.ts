import { criChannel } from '@orrery/cri';
import { criContract } from '@orrery/cri/contract';
import { afterAll, beforeAll, describe } from 'vitest';
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

  criContract('containerd', () => criChannel(machine.endpoint), { image: testImage });
});
