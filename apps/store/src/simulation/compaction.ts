import { AlarmRequest_AlarmAction as AlarmAction } from '@orrery/proto/etcd';
import type { Lab } from './lab.ts';
import type { WatchClient } from './watch-client.ts';

const callTimeoutMs = 4000;

/**
 * Compacts now and then: behind what `witnesses` have seen, so that the truth stays known, ahead of some other watches. Turns alarms off
 * afterwards: what was compacted made room.
 */
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
      const { alarms = [] } = await clients.maintenance.alarm({ action: AlarmAction.GET }, { timeoutMs: callTimeoutMs });
      if (alarms.length === 0 || lab.chance(30)) continue;
      await clients.maintenance.alarm({ action: AlarmAction.DEACTIVATE }, { timeoutMs: callTimeoutMs });
      lab.trace(`alarms are off: ${JSON.stringify(alarms)}`);
    } catch (error) {
      lab.trace(`compaction at ${revision} by ${machine.name}: ${(error as Error).message}`);
    }
  }
}
