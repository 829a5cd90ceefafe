import type { Finding, History, Moment, SeenEvent, SeenKv } from '../history.ts';

/** What happened at one revision. */
export interface Change {
  readonly revision: number;
  /** By key. */
  readonly events: ReadonlyMap<string, SeenEvent>;
  /** When anyone was first told of it. */
  readonly seenAt: Moment;
  readonly seenMs: number;
}

/** The one order of changes, as all watches together were told it. */
export interface Truth {
  readonly changes: ReadonlyMap<number, Change>;
  /** The last revision anyone was told of. */
  readonly last: number;
  /** A key as of a revision; undefined: absent. */
  at(key: string, revision: number): SeenKv | undefined;
  /** All that is there as of a revision, by key. */
  all(revision: number): readonly SeenKv[];
}

const same = (a: SeenKv, b: SeenKv): boolean =>
  a.value === b.value && a.createRevision === b.createRevision && a.modRevision === b.modRevision && a.version === b.version && a.lease === b.lease;

/** Collects the truth. Finds watches that contradict each other, and revisions that none was told of. */
export function establish(history: History): { truth: Truth; findings: Finding[] } {
  const findings: Finding[] = [];
  const found = (message: string): void => void findings.push({ checker: 'truth', message });
  const changes = new Map<number, { revision: number; events: Map<string, SeenEvent>; seenAt: Moment; seenMs: number }>();
  for (const { id, notices } of history.watches) {
    for (const notice of notices) {
      if (notice.kind !== 'events') continue;
      for (const event of notice.events) {
        const { key, modRevision: revision } = event.kv;
        const { at: seenAt, timeMs: seenMs } = notice;
        const change = changes.get(revision) ?? { revision, events: new Map<string, SeenEvent>(), seenAt, seenMs };
        changes.set(revision, change);
        if (seenAt < change.seenAt) Object.assign(change, { seenAt, seenMs });
        const known = change.events.get(key);
        if (!known) change.events.set(key, event);
        else if (known.type !== event.type || !same(known.kv, event.kv)) found(`${id} was told ${event.type} ${key}=${event.kv.value} at ${revision}, another ${known.type} ${known.kv.value}`);
      }
    }
  }
  const last = Math.max(1, ...changes.keys());
  for (let revision = 2; revision <= last; revision++) if (!changes.has(revision)) found(`nobody was told of revision ${revision}, though of ${last}`);
  return { truth: { changes, last, ...lookup(changes) }, findings };
}

function lookup(changes: ReadonlyMap<number, Change>): Pick<Truth, 'at' | 'all'> {
  const byKey = new Map<string, SeenEvent[]>();
  for (const { events } of [...changes.values()].sort((a, b) => a.revision - b.revision)) {
    for (const [key, event] of events) byKey.set(key, [...(byKey.get(key) ?? []), event]);
  }
  const keys = [...byKey.keys()].sort();
  const at = (key: string, revision: number): SeenKv | undefined => {
    const event = byKey.get(key)?.findLast(({ kv }) => kv.modRevision <= revision);
    return event?.type === 'put' ? event.kv : undefined;
  };
  return { at, all: (revision) => keys.map((key) => at(key, revision)).filter((kv) => kv !== undefined) };
}

/** For messages. */
export function show(kvs: readonly (SeenKv | undefined)[]): string {
  return `[${kvs.map((kv) => (kv ? `${kv.key}=${kv.value}@${kv.modRevision}` : 'nothing')).join(' ')}]`;
}

export function equalKvs(a: readonly SeenKv[], b: readonly SeenKv[]): boolean {
  return a.length === b.length && a.every((kv, i) => kv.key === b[i]?.key && same(kv, b[i]));
}
