import type { Proc } from '../../process/proc.ts';
import { signals } from '../../process/signals.ts';

/** Serves until a signal says to end. */
export function forever(proc: Proc): Promise<number> {
  return new Promise((resolve) => {
    for (const signal of [signals.TERM, signals.INT]) proc.onSignal(signal, () => resolve(0));
  });
}
