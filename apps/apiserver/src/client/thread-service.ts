import type { ResourceRef } from '@orrery/apimachinery';
import { type ObjectAt, type ThreadAnswer, type ThreadAnswers, type ThreadCall, type ThreadLink, type ThreadRequests, type WatchHandle, mostAtOnce } from '@orrery/client';
import { toStatusError } from '@orrery/errors';
import { Entry } from '../cache/entry.ts';
import type { Span } from '../cache/encoding.ts';
import type { ApiServerCore } from '../server.ts';
import { type DirectCalls, type Listed, type Outcome, directCalls } from './direct-calls.ts';

/** Objects of one message are parsed as one text, whose length V8 limits. */
const chunkBytes = 8 * 1024 * 1024;
const [open, comma, close] = [0x5b, 0x2c, 0x5d];

/** The objects of one message, each once however many watches and answers show it. */
class Objects {
  private readonly places = new Map<Entry, ObjectAt>();
  private count = 0;
  private chunk: { readonly bytes: Buffer; readonly managers: Span }[] = [];
  private size = 0;
  private readonly done: ArrayBuffer[] = [];

  at(entry: Entry): ObjectAt {
    let place = this.places.get(entry);
    if (!place) {
      const { bytes, revision, managers } = entry.sent;
      place = revision === undefined ? [this.count] : [this.count, revision];
      this.places.set(entry, place);
      this.count++;
      this.chunk.push({ bytes, managers });
      this.size += bytes.length - (managers.to - managers.from) + 1;
      if (this.size > chunkBytes) this.end();
    }
    return place;
  }

  all(): ArrayBuffer[] {
    if (this.chunk.length) this.end();
    return this.done;
  }

  private end(): void {
    const text = Buffer.from(new ArrayBuffer(this.size + 1));
    let at = 0;
    for (const { bytes, managers } of this.chunk) {
      text[at] = at === 0 ? open : comma;
      at += 1;
      // Nobody there reads managedFields, which are half of the work of parsing a Pod.
      at += bytes.copy(text, at, 0, managers.from);
      at += bytes.copy(text, at, managers.to);
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
  let next: { answers: ThreadAnswer[]; objects: Objects } | undefined;

  const flush = (): void => {
    if (!next) return;
    const { answers, objects } = next;
    next = undefined;
    const all = objects.all();
    link.post({ answers: JSON.stringify(answers), objects: all }, all);
  };
  const answer = (make: (objects: Objects) => ThreadAnswer): void => {
    if (!next) {
      next = { answers: [], objects: new Objects() };
      atEndOfTurn(flush);
    }
    next.answers.push(make(next.objects));
    if (next.answers.length >= mostAtOnce) flush();
  };
  const told = (id: number, outcome: Outcome): void => answer((objects) => (outcome instanceof Entry ? { id, object: objects.at(outcome) } : { id, value: outcome ?? null }));
  const listed = (id: number, result: Listed): void => {
    if ('remote' in result) return answer(() => ({ id, value: result.remote }));
    const { entries, resourceVersion, ...rest } = result.entries;
    answer((objects) => ({ id, list: { ...rest, resourceVersion: String(resourceVersion) }, items: entries.map((entry) => objects.at(entry)) }));
  };

  const watch = (id: number, calls: DirectCalls, ref: ResourceRef, options: object): void => {
    const handle = calls.watch(ref, options, {
      frames: (batch) => answer((objects) => ({ id, events: batch.map(({ type, entry }) => [type, objects.at(entry)] as const) })),
      closed(error) {
        watches.delete(id);
        answer(() => ({ id, closed: error?.status ?? null }));
      },
    });
    watches.set(id, handle);
  };
  const begin = ([id, client, name, kind, ...args]: ThreadCall): void => {
    const calls = clients[client] as DirectCalls;
    const ref = kinds[kind as number] as ResourceRef;
    if (name === 'watch') return watch(id, calls, ref, args[0] as object);
    // What JSON has no word for (undefined) has arrived as null.
    const given = args.map((arg) => arg ?? undefined) as [never, never, never];
    const outcome: Promise<void> = name === 'list' ? calls.list(ref, given[0]).then((result) => listed(id, result)) : (calls[name](ref, ...given) as Promise<Outcome>).then((result) => told(id, result));
    outcome.catch((error: unknown) => answer(() => ({ id, failure: toStatusError(error).status })));
  };

  link.receive((text) => {
    const requests = JSON.parse(text) as ThreadRequests;
    for (const { program, ...user } of requests.clients) clients.push(directCalls(core, { user: { ...user, groups: [...user.groups] }, program }));
    kinds.push(...requests.kinds);
    for (const call of requests.calls) begin(call);
    for (const id of requests.stops) {
      watches.get(id)?.stop();
      watches.delete(id);
    }
  });
}
