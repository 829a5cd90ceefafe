import type { Fault } from './fault.ts';
import type { WorldName } from './verbs.ts';

/** What was done to the world, and how to end it. */
export interface Injected {
  /** What was struck. */
  readonly targets: readonly string[];
  /** Ends the fault; of what was done in a moment, nothing is left to do. May be called twice. */
  end(): Promise<void>;
}

/** A cluster that faults can be injected into. */
export interface ChaosWorld {
  readonly name: WorldName;
  /** Strikes. Rejects with an Error in words for people: what it cannot do, and which world can; a target that is not there. */
  inject(id: string, fault: Fault): Promise<Injected>;
}
