import type { Lab } from './lab.ts';
import type { WatchClient } from './watch-client.ts';

const callTimeoutMs = 4000;

/** Compacts now and then: behind what `witnesses` have seen, so that the truth stays known, ahead of some other watches. */
export async function runCompactions(lab: Lab, witnesses: readonly WatchClient[]): Promise<void> {
  const host = lab.host('compactor');
  while (!lab.isEnding) {
    await lab.time.sleep(1000 + lab.random.int(3000));
    const seen = Math.min(...witnesses.map(({ next }) => next)) - 1;
    const revision = seen - lab.random.int(30);
    if (revision < 2) continue;
    const { machine, clients } = lab.connect(host);
    try {
      await clients.kv.compact({ revision, physical: lab.chance(50) }, { timeoutMs: callTimeoutMs });
      lab.trace(`compacted at ${revision}`);
    } catch (error) {
      lab.trace(`compaction at ${revision} by ${machine.name}: ${(error as Error).message}`);
    }
  }
}
