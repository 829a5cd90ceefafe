import type { Finding, History, SeenEvent, WatchRecord } from '../history.ts';
import { type Truth, equalKvs, show } from './truth.ts';

/** One watch as its notices are read one after the other. */
interface Progress {
  /** Everything up to this revision was delivered, or skipped with the reader's knowledge. */
  upTo: number;
  /** Of the connection: the last revision of an event, or of a progress notice. */
  last: number;
}

/**
 * What etcd promises of a watch: events in order of revision, each once, none left out, those of one revision together,
 * resumed at a revision without loss; and a progress notice (a bookmark) says truly that all before it was delivered.
 */
function checkWatch({ id, key, withPrevious, notices }: WatchRecord, truth: Truth): string[] {
  const messages: string[] = [];
  const found = (message: string): void => void messages.push(`${id}: ${message}`);
  const progress: Progress = { upTo: 0, last: 0 };
  const revisions = [...truth.changes.keys()].sort((a, b) => a - b).filter((revision) => key === undefined || truth.changes.get(revision)?.events.has(key));
  const missing = (from: number, to: number): number | undefined => revisions.find((revision) => revision > from && revision < to);
  for (const notice of notices) {
    if (notice.kind === 'opened') {
      progress.last = 0;
      progress.upTo = notice.startRevision - 1;
    } else if (notice.kind === 'compacted') {
      if (notice.compactRevision <= progress.upTo + 1) found(`cancelled for a compaction at ${notice.compactRevision} that took nothing from it, being at ${progress.upTo}`);
    } else if (notice.kind === 'progress') {
      const skipped = missing(progress.upTo, notice.revision + 1);
      if (skipped !== undefined) found(`progress ${notice.revision} before the event of revision ${skipped}`);
      if (notice.revision < progress.last) found(`progress goes back from ${progress.last} to ${notice.revision}`);
      progress.upTo = Math.max(progress.upTo, notice.revision);
      progress.last = notice.revision;
    } else {
      for (const [revision, events] of byRevision(notice.events)) {
        if (revision <= progress.upTo) found(`event of revision ${revision} after it was at ${progress.upTo}: doubled, out of order, or split`);
        const skipped = missing(progress.upTo, revision);
        if (skipped !== undefined) found(`the event of revision ${skipped} is missing before that of ${revision}`);
        checkEvents({ revision, events, key, withPrevious }, truth, found);
        progress.upTo = Math.max(progress.upTo, revision);
        progress.last = progress.upTo;
      }
      if (notice.revision < progress.last) found(`a header of revision ${notice.revision} with an event of ${progress.last}`);
    }
  }
  return messages;
}

/** In the order in which they came. */
function byRevision(events: readonly SeenEvent[]): [number, SeenEvent[]][] {
  const groups: [number, SeenEvent[]][] = [];
  for (const event of events) {
    const last = groups.at(-1);
    if (last && last[0] === event.kv.modRevision) last[1].push(event);
    else groups.push([event.kv.modRevision, [event]]);
  }
  return groups;
}

function checkEvents(got: { revision: number; events: readonly SeenEvent[]; key: string | undefined; withPrevious: boolean }, truth: Truth, found: (message: string) => void): void {
  const { revision, events, key, withPrevious } = got;
  const keys = new Set(events.map(({ kv }) => kv.key));
  if (keys.size !== events.length) found(`an event of revision ${revision} came twice`);
  const whole = [...(truth.changes.get(revision)?.events.keys() ?? [])].filter((one) => key === undefined || one === key);
  if (whole.some((one) => !keys.has(one))) found(`revision ${revision} came in parts: ${[...keys].join()} of ${whole.join()}`);
  if (key !== undefined && [...keys].some((one) => one !== key)) found(`was told of ${[...keys].join()}`);
  if (!withPrevious) return;
  for (const { kv, previous } of events) {
    const before = truth.at(kv.key, revision - 1);
    // Compaction may have taken it away; what is told must be true.
    if (previous && !equalKvs([previous], before ? [before] : [])) found(`was told that ${show([previous])} was before ${revision}, it was ${show([before])}`);
  }
}

/** Every watch, each also against what it was due by the end (`mustReach`, when it should have been told everything). */
export function checkWatches(history: History, truth: Truth): Finding[] {
  return history.watches.flatMap((watch) => checkWatch(watch, truth).map((message) => ({ checker: 'watch', message })));
}
