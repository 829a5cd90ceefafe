import { ConfigMaps } from '@orrery/api';
import type { ConfigMap } from '@orrery/api/types';
import type { ApiClient, WatchEvent } from '@orrery/client';
import { Event_EventType, WatchDefinition } from '@orrery/proto/etcd';
import { RpcError, createClient } from '@orrery/rpc';
import type { Random } from '@orrery/runtime';
import type { TestStore } from './stores.ts';

/** What somebody saw of one ConfigMap: enough to tell histories apart. */
export type Seen = readonly [type: string, name: string, revision: number, value: string | undefined];

/** The store's own account of the ConfigMaps of a namespace: what came after one revision, up to another that changed one. */
export async function storeHistory(store: TestStore, { namespace, after, until }: { namespace: string; after: number; until: number }): Promise<Seen[]> {
  const prefix = `${store.prefix}/configmaps/${namespace}/`;
  const history: Seen[] = [];
  const last = (): number => history.at(-1)?.[2] ?? after;
  while (last() < until) {
    try {
      await follow(store, { prefix, from: last() + 1, until, history });
    } catch (error) {
      // A member that died; the next one goes on.
      if (!(error instanceof RpcError)) throw error;
    }
  }
  return history;
}

async function follow(store: TestStore, { prefix, from, until, history }: { prefix: string; from: number; until: number; history: Seen[] }): Promise<void> {
  const stop = new AbortController();
  const create = { key: Buffer.from(prefix), rangeEnd: Buffer.from(`${prefix.slice(0, -1)}0`), startRevision: from, prevKv: true };
  async function* requests() {
    yield { requestUnion: { $case: 'createRequest' as const, value: create } };
    yield { requestUnion: { $case: 'progressRequest' as const, value: {} } };
    await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
  }
  try {
    for await (const { canceled, events = [] } of createClient(WatchDefinition, store.channel()).watch(requests(), { signal: stop.signal })) {
      if (canceled) throw new Error('the store has compacted the history');
      for (const { type, kv, prevKv } of events) {
        const isDelete = type === Event_EventType.DELETE;
        const { value } = JSON.parse((isDelete ? prevKv : kv)?.value?.toString('utf8') ?? '{}').data ?? {};
        const isNew = kv?.createRevision === kv?.modRevision;
        history.push([isDelete ? 'DELETED' : isNew ? 'ADDED' : 'MODIFIED', kv?.key?.toString('utf8').slice(prefix.length) ?? '', kv?.modRevision ?? 0, value]);
      }
      if ((history.at(-1)?.[2] ?? 0) >= until) return;
    }
  } finally {
    stop.abort();
  }
}

/** A client that loses its watch again and again and goes on where it was, on whichever server. */
export class Watcher {
  readonly seen: Seen[] = [];
  private stopped = false;
  private handle: { stop(): void } | undefined;
  private revision: string;
  private readonly clients: readonly ApiClient[];
  private readonly namespace: string;
  private readonly random: Random;

  constructor(options: { clients: readonly ApiClient[]; namespace: string; random: Random; revision: string }) {
    this.clients = options.clients;
    this.namespace = options.namespace;
    this.random = options.random;
    this.revision = options.revision;
  }

  open(): void {
    if (this.stopped) return;
    const api = this.clients[this.random.int(this.clients.length)] as ApiClient;
    const before = this.seen.length;
    const handle = api.watch(ConfigMaps, { namespace: this.namespace, resourceVersion: this.revision, allowWatchBookmarks: true }, {
      events: (batch) => {
        for (const event of batch) this.take(event);
        // Lost in the middle: what was told stays told, the rest comes from another server.
        if (this.seen.length > before + this.random.int(12)) {
          handle.stop();
          queueMicrotask(() => this.open());
        }
      },
      closed: () => queueMicrotask(() => this.open()),
    });
    this.handle = handle;
  }

  close(): void {
    this.stopped = true;
    this.handle?.stop();
  }

  private take({ type, object }: WatchEvent<ConfigMap>): void {
    this.revision = object.metadata?.resourceVersion ?? this.revision;
    if (type !== 'BOOKMARK') this.seen.push([type, object.metadata?.name ?? '', Number(this.revision), object.data?.['value']]);
  }
}
