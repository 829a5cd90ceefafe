import { VirtualClock } from '@orrery/runtime';
import { criContract } from './contract.ts';
import { FakeRuntime } from './fake-runtime.ts';

const clock = new VirtualClock();

criContract('fake', () => new FakeRuntime({ clock }).channel(), { runsCommands: false, pass: (ms) => clock.advance(ms) });
