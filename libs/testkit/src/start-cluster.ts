import type { WorldName } from '@orrery/chaos';
import type { TestWorld } from './test-world.ts';

export interface StartOptions {
  /** `simulated` (the default): in this event loop, on a virtual clock. `single`, `processes`: as `orrery up` runs them. `compose`: the containers of infra/compose.yaml. */
  readonly world?: WorldName;
  /** Default 3. Containers: 1 (the profile `small`) or 3 (`full`), by default 1. */
  readonly nodes?: number;
  /** Simulated: decides everything that is left to chance. Default 1. */
  readonly seed?: number;
  /** Components to leave out. */
  readonly without?: readonly string[];
  /** Simulated: with the cloud, whose instances the nodes then are, load balancers and disks. Default false; other worlds have it whatever is said here. */
  readonly cloud?: boolean;
  /** Simulated: zone of the i-th node. */
  readonly zone?: (index: number) => string;
  /** Further flags of `orrery up`; not in the simulated world. */
  readonly args?: readonly string[];
}

/** Starts a cluster for a test. `stop` it when the test is over; should the test process die, it is stopped and its files are removed all the same. */
export async function startCluster({ world = 'simulated', args = [], without = [], ...options }: StartOptions = {}): Promise<TestWorld> {
  switch (world) {
    case 'simulated': {
      if (args.length) throw new Error('args are flags of `orrery up`, which a simulated cluster does without');
      const { startSimulated } = await import('./simulated/start.ts');
      return startSimulated({ ...options, without });
    }
    case 'single':
    case 'processes': {
      const { startOrrery } = await import('./real/orrery-world.ts');
      const left = without.length ? ['--without', without.join(',')] : [];
      return startOrrery({ world, ...(options.nodes === undefined ? {} : { nodes: options.nodes }), args: [...left, ...args] });
    }
    case 'compose': {
      if (args.length || without.length) throw new Error('args and without are those of `orrery up`: containers are what infra/compose.yaml says');
      const { startCompose } = await import('./real/compose-world.ts');
      return startCompose(options);
    }
  }
}
