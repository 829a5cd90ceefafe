import type { KindDescriptor } from '@orrery/api';
import { convertEntries } from '../cache/conversion.ts';
import type { Entry } from '../cache/entry.ts';
import { type Change, Frame } from '../cache/frame.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import { type Selection, inScope } from '../cache/selection.ts';

export interface ConvertedSource {
  readonly kind: KindDescriptor;
  readonly cache: ResourceCache;
  readonly selection: Selection;
  /** Undefined: the current state first. */
  readonly after: number | undefined;
}

export interface ConvertedSink {
  /** The state at the beginning, where it was asked for. */
  state(entries: readonly Entry[]): void;
  frames(batch: readonly Frame[]): void;
  /** The webhook failed, or the cache lost its place: nothing more will come. */
  ended(): void;
}

export interface ConvertedFollower {
  /** False while changes wait to be converted: later revisions must not be told yet. */
  readonly isCurrent: boolean;
  stop(): void;
}

function frameOf(change: Change, { kind, selection }: ConvertedSource): Frame | undefined {
  const { matches } = selection;
  const { previous, current } = change;
  const before = previous !== undefined && (matches?.(previous) ?? true);
  const after = current !== undefined && (matches?.(current) ?? true);
  if (current && after) return new Frame(before ? 'MODIFIED' : 'ADDED', current.view(kind));
  return previous && before ? new Frame('DELETED', previous.view(kind).at(change.revision)) : undefined;
}

/**
 * Follows a resource whose objects pass through a webhook: changes wait in order until both of their states are converted.
 * Nobody but this watch waits for that.
 */
export function followConverted(source: ConvertedSource, sink: ConvertedSink): ConvertedFollower {
  const { kind, cache, selection, after } = source;
  const { matches, ...scope } = selection;
  let waiting: Change[] = after === undefined ? [] : [...cache.changesAfter(after)].filter((change) => inScope(selection, (change.current ?? change.previous) as Entry));
  let isBusy = false;
  let isOver = false;
  let unfollow: () => void = () => undefined;
  const stop = (): void => {
    isOver = true;
    waiting = [];
    unfollow();
  };
  const end = (): void => {
    if (isOver) return;
    stop();
    sink.ended();
  };
  const work = async (state: readonly Entry[] | undefined): Promise<void> => {
    isBusy = true;
    if (state) {
      await convertEntries(kind, state);
      if (!isOver) sink.state(matches ? state.filter(matches) : state);
    }
    while (waiting.length && !isOver) {
      const batch = waiting;
      waiting = [];
      await convertEntries(kind, batch.flatMap(({ current, previous }) => [current, previous].filter((entry) => entry !== undefined)));
      const frames = batch.flatMap((change) => frameOf(change, source) ?? []);
      if (frames.length && !isOver) sink.frames(frames);
    }
    isBusy = false;
  };
  const begin = (state?: readonly Entry[]): void => void work(state).catch(end);
  unfollow = cache.listen((change) => {
    if (change.revision <= (after ?? 0) || !inScope(selection, (change.current ?? change.previous) as Entry)) return;
    waiting.push(change);
    if (!isBusy) begin();
  }, end);
  begin(after === undefined ? cache.list(scope) : undefined);
  return {
    get isCurrent() {
      return !isBusy && waiting.length === 0;
    },
    stop,
  };
}
