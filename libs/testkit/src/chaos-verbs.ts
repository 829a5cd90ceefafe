import { type ChaosWorld, type Injected, type InjectionRecord, RecoveryWatch, checkedFault, describeVerb, faultText } from '@orrery/chaos';
import { Nodes } from '@orrery/api';
import type { Change, ChaosVerbs } from './test-world.ts';

export interface ChaosVerbsOptions {
  readonly cluster: string;
  readonly world: ChaosWorld;
  readonly now: () => number;
  /** Changes of nodes are what recovery is told by. */
  readonly changes: () => readonly Change[];
  /** Runs what takes the cluster's time. */
  readonly run: <T>(act: () => Promise<T>) => Promise<T>;
}

interface NodeLike {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** Stretches during which nodes were not Ready, as the history tells. */
function nodeTroubles(changes: readonly Change[]): RecoveryWatch {
  const watch = new RecoveryWatch();
  const seen = new Set<string>();
  for (const { resource, object, type, atMs } of changes) {
    if (resource !== Nodes.resource) continue;
    const name = object.metadata?.name ?? '';
    const ready = (object as NodeLike).status?.conditions?.find((condition) => condition.type === 'Ready')?.status;
    if (ready === 'True') seen.add(name);
    // A node that has never been Ready is not yet one that is not.
    if (seen.has(name)) watch.observe(atMs, [{ what: `node ${name} is Ready`, trouble: type === 'DELETED' || ready === 'True' ? undefined : `Ready is ${ready ?? 'not told'}` }]);
  }
  return watch;
}

export function chaosVerbs({ cluster, world, now, changes, run }: ChaosVerbsOptions): ChaosVerbs {
  const records: { -readonly [K in keyof InjectionRecord]: InjectionRecord[K] }[] = [];
  const open = new Map<string, Injected>();
  let count = 0;
  const verbs: ChaosVerbs = {
    async inject(input) {
      const fault = checkedFault(input);
      const id = `test-${++count}`;
      const record: (typeof records)[number] = { name: id, what: faultText(fault), targets: [], startedMs: now() };
      records.push(record);
      try {
        const injected = await run(() => world.inject(id, fault));
        record.targets = injected.targets;
        if (describeVerb(fault.verb).momentary) record.endedMs = now();
        else open.set(id, injected);
        return {
          targets: injected.targets,
          async end() {
            if (!open.delete(id)) return;
            await run(() => injected.end());
            record.endedMs = now();
          },
        };
      } catch (error) {
        record.error = (error as Error).message;
        throw error;
      }
    },
    async during(fault, act) {
      const injected = await verbs.inject(fault);
      try {
        return await act();
      } finally {
        await injected.end();
      }
    },
    async stopAll() {
      for (const [id, injected] of open) {
        open.delete(id);
        await run(() => injected.end());
        const record = records.find(({ name }) => name === id);
        if (record) record.endedMs = now();
      }
    },
    report() {
      const troubles = nodeTroubles(changes());
      troubles.observe(now(), []);
      const injections = records.map((record) => {
        const recoveredMs = record.endedMs === undefined || record.error ? undefined : troubles.recoveredSince(record.endedMs);
        return recoveredMs === undefined ? { ...record } : { ...record, recoveredMs };
      });
      return { cluster, madeMs: now(), injections, disturbances: troubles.disturbances() };
    },
  };
  return verbs;
}
