import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { grpcServer } from '@orrery/rpc';
import { VirtualClock } from '@orrery/runtime';
import { afterAll } from 'vitest';
import { criChannel } from '../channel.ts';
import { criContract } from './contract.ts';
import { FakeRuntime } from './fake-runtime.ts';
import { fakeServices } from './fake-services.ts';

const clock = new VirtualClock();

criContract('fake', () => new FakeRuntime({ clock }).channel(), { runsCommands: false, pass: (ms) => clock.advance(ms) });

const directory = mkdtempSync(join(tmpdir(), 'orrery-cri-'));
const server = grpcServer(fakeServices(new FakeRuntime({ clock })));
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true });
});

criContract(
  'fake over gRPC',
  async () => {
    await server.listen(`unix:${directory}/cri.sock`);
    return criChannel(`unix://${directory}/cri.sock`);
  },
  { runsCommands: false },
);
