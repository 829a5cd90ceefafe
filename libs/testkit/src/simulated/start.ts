import type { ApiClient } from '@orrery/client';
import { chaosVerbs } from '../chaos-verbs.ts';
import { History, followedResources } from '../history.ts';
import type { TestWorld } from '../test-world.ts';
import { simulatedChaos } from './chaos-world.ts';
import { ordered } from './ordered-crypto.ts';
import { Simulation, type SimulationOptions } from './simulation.ts';

const stepMs = 10;
/** No single call takes longer than this of the cluster's time. */
const callLimitMs = 600_000;
const logLinesInErrors = 15;

/** The calls of a client that give one answer. */
const calls = new Set<PropertyKey>(['get', 'list', 'create', 'createSubresource', 'update', 'patch', 'delete', 'deleteCollection']);

/** A cluster that is simulated, and what moves it. */
export interface SimulatedWorld extends TestWorld {
  readonly simulation: Simulation;
  /** Lets time pass until something is done. */
  run<T>(act: () => Promise<T>): Promise<T>;
}

/** A whole cluster in this event loop, on a clock that moves only when something waits for it. */
export async function startSimulated(options: SimulationOptions): Promise<SimulatedWorld> {
  const simulation = new Simulation(options);
  const { clock } = simulation;
  /** Lets time pass until something is done. Calls within calls share the time of the outermost. */
  let moving = 0;
  const run = <T>(act: () => Promise<T>): Promise<T> =>
    moving > 0
      ? act()
      : ordered(async () => {
          moving++;
          try {
            let done = false;
            const work = act().finally(() => (done = true));
            work.catch(() => undefined);
            await clock.advance(0);
            const deadline = clock.monotonic() + callLimitMs;
            while (!done && clock.monotonic() < deadline) await clock.advance(stepMs);
            if (!done) throw new Error(`not done within ${callLimitMs} ms of the cluster's time`);
            return await work;
          } finally {
            moving--;
          }
        });
  const moved = (api: ApiClient): ApiClient =>
    new Proxy(api, {
      get: (target, name: keyof ApiClient) => (calls.has(name) ? (...args: unknown[]) => run(() => (target[name] as (...all: unknown[]) => Promise<unknown>).apply(target, args)) : target[name]),
    });
  await run(() => simulation.start());
  const admin = simulation.client('kubernetes-admin', ['system:masters']);
  const history = new History({ api: admin, clock });
  for (const resource of followedResources) history.follow(resource);
  const logs = (component?: string): string => simulation.logs(component).join('\n');
  return {
    world: 'simulated',
    simulation,
    run,
    api: moved(admin),
    as: (user, groups = []) => moved(simulation.client(user, groups)),
    kubeconfig: undefined,
    now: () => clock.now(),
    advance: (ms) => ordered(() => clock.advance(ms)),
    async eventually(check, { withinMs = 60_000, what = 'condition' } = {}) {
      const end = clock.monotonic() + withinMs;
      for (;;) {
        let failure: unknown;
        try {
          const value = await check();
          if (value !== false) return value as never;
        } catch (error) {
          failure = error;
        }
        if (clock.monotonic() >= end) {
          const said = simulation.logs().slice(-logLinesInErrors).join('\n');
          throw new Error(`${what}: not within ${withinMs} ms of the cluster's time${failure instanceof Error ? `: ${failure.message}` : ''} (seed ${options.seed ?? 1})${said ? `\n${said}` : ''}`, { cause: failure });
        }
        await ordered(() => clock.advance(100));
      }
    },
    chaos: chaosVerbs({ cluster: `simulated cluster, seed ${options.seed ?? 1}`, world: simulatedChaos(simulation), now: () => clock.now(), changes: () => history.changes, run }),
    history: (resource) => history.of(resource),
    follow: (resource) => history.follow(resource),
    logs,
    async stop() {
      history.stop();
      await ordered(() => simulation.stop());
    },
  };
}
