import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type Crossing, type ThreadAnswer, type ThreadAnswers, type ThreadCall, type ThreadLink, type ThreadNews, type ThreadRequests, type WatchHandle, type WatchOptions, mostAtOnce, sameSpec, sameTail, showsAll } from '@orrery/client';
import { type Status, toStatusError } from '@orrery/errors';
import type { Parts } from '../cache/encoding.ts';
import { Entry } from '../cache/entry.ts';
import type { Frame, FrameType } from '../cache/frame.ts';
import type { ApiServerCore } from '../server.ts';
import { type DirectCalls, type Listed, type Outcome, directCalls } from './direct-calls.ts';

/** Objects of one message are parsed as one text, whose length V8 limits. */
const chunkBytes = 8 * 1024 * 1024;
const [open, comma, close] = [0x5b, 0x2c, 0x5d];

/** A watch that shows all objects of a kind: changes after `since` up to `told` have crossed by it. What it shows at first comes in no order, and does not count. */
interface WholeWatch {
  readonly kind: number;
  since: number;
  told: number;
}

/** What the other thread has been shown by watches of everything. */
class Shown {
  private readonly watches = new Map<number, Set<WholeWatch>>();
  private readonly current: (kind: number, key: string) => Entry | undefined;

  /** `current`: the entry of a kind as the cache has it. */
  constructor(current: (kind: number, key: string) => Entry | undefined) {
    this.current = current;
  }

  begin(kind: number): WholeWatch {
    const watch = { kind, since: Infinity, told: 0 };
    const watches = this.watches.get(kind);
    if (watches) watches.add(watch);
    else this.watches.set(kind, new Set([watch]));
    return watch;
  }

  end(watch: WholeWatch): void {
    this.watches.get(watch.kind)?.delete(watch);
  }

  /** Is the entry what they have shown last of its object? */
  isLast(kind: number, entry: Entry): boolean {
    return this.has(kind, entry.revision) && this.current(kind, entry.key) === entry;
  }

  has(kind: number, revision: number): boolean {
    for (const { since, told } of this.watches.get(kind) ?? []) if (since < revision && revision <= told) return true;
    return false;
  }
}

/** An object's bytes: without managedFields, and without what is from `cut` to `end`. */
interface Piece {
  readonly bytes: Buffer;
  readonly parts: Parts;
  readonly cut: number;
  readonly end: number;
  readonly filler: Buffer;
}

const nothing = Buffer.alloc(0);
/** In place of a spec that the other side has. */
const noSpec = Buffer.from(',"spec":null');

/** Which parts of two versions have the same bytes, as bits. */
function sameParts(a: Sent, b: Sent): number {
  const [at, before] = [a.parts, b.parts];
  if (!at.specTo || !before.specTo) return 0;
  const isSpec = a.bytes.compare(b.bytes, before.managersTo + 1, before.specTo, at.managersTo + 1, at.specTo) === 0;
  const isTail = a.bytes.compare(b.bytes, before.specTo, b.bytes.length, at.specTo, a.bytes.length) === 0;
  return (isSpec ? sameSpec : 0) | (isTail ? sameTail : 0);
}

type Sent = Entry['sent'];

function pieceOf({ bytes, parts }: Sent, same: number): Piece {
  const specTo = parts.specTo || parts.managersTo;
  const cut = same & sameSpec ? parts.managersTo + 1 : specTo;
  const end = same & sameTail ? bytes.length - 1 : specTo;
  return { bytes, parts, cut, end, filler: same & sameSpec ? noSpec : nothing };
}

const sizeOf = ({ bytes, parts, cut, end, filler }: Piece): number => bytes.length - (parts.managersTo - parts.managersFrom) - (end - cut) + filler.length;

/** The objects of one message, each once however many watches and answers show it. */
class Objects {
  private readonly shown: Shown;
  private readonly places = new Map<Entry, number>();
  readonly crossings: Crossing[] = [];
  private chunk: Piece[] = [];
  private size = 0;
  private readonly done: ArrayBuffer[] = [];

  constructor(shown: Shown) {
    this.shown = shown;
  }

  /** The place of an entry. `previous`: the version before where that is what was shown last. */
  at(entry: Entry, kind: number, previous?: Entry): number {
    const known = this.places.get(entry);
    if (known !== undefined) return known;
    const place = this.crossings.length;
    this.places.set(entry, place);
    this.crossings.push(this.crossing(entry, kind, previous));
    return place;
  }

  all(): ArrayBuffer[] {
    if (this.chunk.length) this.end();
    return this.done;
  }

  private crossing(entry: Entry, kind: number, previous: Entry | undefined): Crossing {
    const { revision } = entry;
    const uid: unknown = this.shown.isLast(kind, entry) ? (entry.object as KubeObject).metadata?.uid : undefined;
    if (typeof uid === 'string') return [revision, kind, uid];
    const { sent } = entry;
    const same = previous ? sameParts(sent, previous.sent) : 0;
    this.add(pieceOf(sent, same));
    return same && previous ? [revision, kind, same, previous.revision] : sent.isVersioned ? 0 : revision;
  }

  private add(piece: Piece): void {
    this.chunk.push(piece);
    this.size += sizeOf(piece) + 1;
    if (this.size > chunkBytes) this.end();
  }

  private end(): void {
    const text = Buffer.from(new ArrayBuffer(this.size + 1));
    let at = 0;
    for (const { bytes, parts, cut, end, filler } of this.chunk) {
      text[at] = at === 0 ? open : comma;
      at += 1;
      // Nobody there reads managedFields, which are half of the work of parsing a Pod.
      at += bytes.copy(text, at, 0, parts.managersFrom);
      if (cut > parts.managersTo) at += bytes.copy(text, at, parts.managersTo, cut);
      at += filler.copy(text, at);
      at += bytes.copy(text, at, end);
    }
    text[at] = close;
    this.done.push(text.buffer as ArrayBuffer);
    this.chunk = [];
    this.size = 0;
  }
}

/** Serves the clients of one other thread (`ThreadApi`), who are whom they say they are: it is the same process. Ends with the server. */
export function serveThread(core: ApiServerCore, link: ThreadLink<string, ThreadAnswers>, atEndOfTurn: (run: () => void) => void): void {
  const clients: DirectCalls[] = [];
  const kinds: ResourceRef[] = [];
  const watches = new Map<number, WatchHandle>();
  const shown = new Shown((number, key) => {
    const { group, version, resource } = kinds[number] as ResourceRef;
    const kind = core.kinds.get(group, version, resource);
    return kind && core.registry.feed.cache(kind).get(key);
  });
  let next: { answers: ThreadAnswer[]; objects: Objects } | undefined;

  const flush = (): void => {
    if (!next) return;
    const { answers, objects } = next;
    next = undefined;
    const all = objects.all();
    const news: ThreadNews = { answers, objects: objects.crossings };
    link.post({ news: JSON.stringify(news), objects: all }, all);
  };
  const answer = (make: (objects: Objects) => ThreadAnswer): void => {
    if (!next) {
      next = { answers: [], objects: new Objects(shown) };
      atEndOfTurn(flush);
    }
    next.answers.push(make(next.objects));
    if (next.answers.length >= mostAtOnce) flush();
  };
  const told = (id: number, kind: number, outcome: Outcome): void => answer((objects) => (outcome instanceof Entry ? { id, object: objects.at(outcome, kind) } : { id, value: outcome ?? null }));
  const listed = (id: number, kind: number, result: Listed): void => {
    if ('remote' in result) return answer(() => ({ id, value: result.remote }));
    const { entries, resourceVersion, ...rest } = result.entries;
    answer((objects) => ({ id, list: { ...rest, resourceVersion: String(resourceVersion) }, items: entries.map((entry) => objects.at(entry, kind)) }));
  };

  const events = (objects: Objects, kind: number, { batch, whole }: { batch: readonly Frame[]; whole: WholeWatch | undefined }): [FrameType, number][] => {
    const told = batch.map(({ type, entry, previous }): [FrameType, number] => {
      const isNews = whole && previous && previous.revision > whole.since && !shown.has(kind, entry.revision);
      const place = objects.at(entry, kind, isNews ? previous : undefined);
      if (whole) whole.told = Math.max(whole.told, entry.revision);
      return [type, place];
    });
    // Whatever it has shown now, what comes later it shows in the order of revisions.
    if (whole?.since === Infinity) whole.since = whole.told = Math.max(whole.told, core.registry.feed.revision);
    return told;
  };
  const watch = (id: number, calls: DirectCalls, { kind, options }: { kind: number; options: WatchOptions }): void => {
    const whole = showsAll(options) ? shown.begin(kind) : undefined;
    const closed = (error?: { readonly status: Status }): void => {
      if (!watches.delete(id)) return;
      if (whole) shown.end(whole);
      answer(() => ({ id, closed: error?.status ?? null }));
    };
    const handle = calls.watch(kinds[kind] as ResourceRef, options, { frames: (batch) => answer((objects) => ({ id, events: events(objects, kind, { batch, whole }) })), closed });
    watches.set(id, {
      stop() {
        handle.stop();
        closed();
      },
    });
  };
  const begin = ([id, client, name, kind, ...args]: ThreadCall): void => {
    const calls = clients[client] as DirectCalls;
    const number = kind as number;
    const ref = kinds[number] as ResourceRef;
    if (name === 'watch') return watch(id, calls, { kind: number, options: args[0] as WatchOptions });
    // What JSON has no word for (undefined) has arrived as null.
    const given = args.map((arg) => arg ?? undefined) as [never, never, never];
    const outcome: Promise<void> = name === 'list' ? calls.list(ref, given[0]).then((result) => listed(id, number, result)) : (calls[name](ref, ...given) as Promise<Outcome>).then((result) => told(id, number, result));
    outcome.catch((error: unknown) => answer(() => ({ id, failure: toStatusError(error).status })));
  };

  link.receive((text) => {
    const requests = JSON.parse(text) as ThreadRequests;
    for (const { program, ...user } of requests.clients) clients.push(directCalls(core, { user: { ...user, groups: [...user.groups] }, program }));
    kinds.push(...requests.kinds);
    for (const call of requests.calls) begin(call);
    for (const id of requests.stops) watches.get(id)?.stop();
  });
}
