import { ConfigMaps } from '@orrery/api';
import type { ConfigMap } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { StatusError, isAlreadyExists, isNotFound } from '@orrery/errors';
import { MaintenanceDefinition } from '@orrery/proto/etcd';
import { createClient } from '@orrery/rpc';
import { seededRandom } from '@orrery/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Seen, Watcher, storeHistory } from './histories.ts';
import { losesLeaders } from './stores.ts';
import { type TestServer, admin, eventually, startTestServer } from './test-server.ts';

const namespace = 'deaths';
const seed = Number(process.env['ORRERY_SEED']) || 1;
/** Leaders that die before it ends, where they do. */
const deaths = losesLeaders() ? 4 : 0;
const leastMs = 500;
const leastWrites = 40;

let t: TestServer;
let clients: ApiClient[];
beforeEach(async () => {
  t = await startTestServer({ bookmarkIntervalMs: 50 });
  clients = [t.server.client(admin), (await t.replica()).client(admin)];
});
afterEach(() => t.stop());

const cm = (name: string, value: string): ConfigMap => ({ metadata: { name, namespace }, data: { value } });

/** Changes one ConfigMap again and again, noting what it was told. */
class Writer {
  /** What the API acknowledged: as a watcher must see it. */
  readonly acknowledged: Seen[] = [];
  /** Answers that leave open whether the write happened. */
  unknown = 0;
  private readonly name: string;
  private count = 0;

  constructor(name: string) {
    this.name = name;
  }

  async run(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      // A store in memory answers before any timer fires: time must get its turn.
      await new Promise((resolve) => setImmediate(resolve));
      const api = clients[this.count % 2] as ApiClient;
      try {
        await this.change(api, `${this.name}-${this.count++}`);
      } catch (error) {
        if (!(error instanceof StatusError) || error.code < 500) throw error;
        this.unknown += 1;
      }
    }
  }

  private async change(api: ApiClient, value: string): Promise<void> {
    const { name } = this;
    const found = await api.get(ConfigMaps, { namespace, name }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      return undefined;
    });
    if (!found) return this.note('ADDED', await api.create(ConfigMaps, cm(name, value)));
    if (this.count % 7 === 0) {
      await api.delete(ConfigMaps, { namespace, name }, { preconditions: { uid: found.metadata?.uid ?? '' } });
      const gone: unknown = await api.get(ConfigMaps, { namespace, name }).catch((error: unknown) => error);
      if (!(gone instanceof StatusError) || gone.code < 500) expect(gone).toSatisfy(isNotFound);
      return;
    }
    this.note('MODIFIED', await api.update(ConfigMaps, { ...found, data: { value } }));
  }

  private note(type: string, { metadata, data }: ConfigMap): void {
    this.acknowledged.push([type, this.name, Number(metadata?.resourceVersion), data?.['value']]);
  }
}

describe('API servers whose store loses one leader after another', () => {
  it('lose no acknowledged write and show every watcher each change once', async () => {
    const random = seededRandom(seed);
    const { resourceVersion } = await t.api.list(ConfigMaps, { namespace });
    const watchers = Array.from({ length: 6 }, () => new Watcher({ clients, namespace, random, revision: resourceVersion }));
    for (const watcher of watchers) watcher.open();
    const writers = Array.from({ length: 8 }, (_, i) => new Writer(`w${i}`));
    let done = false;
    // A machine with much to do gets little done in half a second.
    const hasEnough = (): boolean => writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0) > leastWrites;
    const running = Promise.all(writers.map((writer) => writer.run(() => !done || !hasEnough())));
    await Promise.race([leadersDied(), running]);
    done = true;
    await running;
    const last = await end(t.api);

    const history = await storeHistory(t.store, { namespace, after: Number(resourceVersion), until: last });
    await eventually(() => watchers.every(({ seen }) => seen.at(-1)?.[1] === 'end'), 'every watcher at the end');
    for (const watcher of watchers) {
      watcher.close();
      expect(watcher.seen).toEqual(history);
    }
    const known = new Set(history.map((seen) => JSON.stringify(seen)));
    const acknowledged = writers.flatMap((writer) => writer.acknowledged);
    expect(acknowledged.filter((seen) => !known.has(JSON.stringify(seen)))).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(leastWrites);
    const final = new Map<string, string | undefined>();
    for (const [type, name, , value] of history) type === 'DELETED' ? final.delete(name) : final.set(name, value);
    for (const api of clients) {
      const { items } = await api.list(ConfigMaps, { namespace });
      expect(items.map(({ metadata, data }) => [metadata?.name, data?.['value']])).toEqual([...final].sort(([a], [b]) => (a < b ? -1 : 1)));
    }
  }, 180_000);
});

/** Resolves when so many terms of the store have ended. */
async function leadersDied(): Promise<void> {
  const maintenance = createClient(MaintenanceDefinition, t.store.channel());
  const term = async (): Promise<number> => (await maintenance.status({}).catch(() => undefined))?.raftTerm ?? 0;
  const first = await term();
  do await t.env.clock.sleep(leastMs);
  while ((await term()) - first < deaths);
}

/** Writes the last change; its revision. A client may try that again, whatever became of the first try. */
async function end(api: ApiClient): Promise<number> {
  for (;;) {
    try {
      return Number((await api.create(ConfigMaps, cm('end', ''))).metadata?.resourceVersion);
    } catch (error) {
      if (isAlreadyExists(error)) return Number((await api.get(ConfigMaps, { namespace, name: 'end' })).metadata?.resourceVersion);
      if (!(error instanceof StatusError) || error.code < 500) throw error;
    }
  }
}
