import { type Channel, Code, type TlsMaterial, toRpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { inject } from 'vitest';
import { createStore } from '../../store/src/component.ts';
import { storeChannel } from '../src/storage/endpoints.ts';

/** Where the members of a store listen that all tests of the run share; without, every test has its own in this process. */
export interface StoreAddress {
  readonly addresses?: readonly string[];
  readonly tls?: TlsMaterial;
}

export interface TestStore {
  channel(): Channel;
  /** No other test's server has it. */
  readonly prefix: string;
  stop(): Promise<void>;
}

let count = 0;

/**
 * The store of one test. By itself a test has one in its own process; `vitest.stores.config.ts` runs the same tests on
 * what ORRERY_TEST_STORE names: `store` (our store, a process of its own over TLS), `cluster` (three such, whose leader is killed
 * every few seconds), `etcd` (the original), `replicas` (two API servers that take turns).
 */
export async function startTestStore(env: Env): Promise<TestStore> {
  const shared = inject('store') as StoreAddress | undefined;
  if (shared?.addresses) {
    const channel = storeChannel(shared.addresses.join(), { tls: shared.tls, serverName: shared.tls ? 'localhost' : '', now: () => env.clock.monotonic(), random: env.random });
    count += 1;
    return { channel: () => channel, prefix: `/registry-${env.random.uuid()}-${count}`, stop: async () => channel.close() };
  }
  const store = createStore(env, {}, { listenClient: [] });
  await store.start();
  return { channel: () => store.channel(), prefix: '/registry', stop: () => store.stop() };
}

/** Do two API servers share the requests of a test? */
export const takesTurns = (): boolean => process.env['ORRERY_TEST_STORE'] === 'replicas';

/** Does the store lose its leader every few seconds? */
export const losesLeaders = (): boolean => process.env['ORRERY_TEST_STORE'] === 'cluster';

/** Real time that something may take which usually takes no more than this: an election may come between. */
export const patienceMs = (usual: number): number => (losesLeaders() ? usual + 30_000 : usual);

/** What a test asks of the store itself and may ask again: as etcd's own clients do when a member dies. */
export async function repeated<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (attempt === 5 || toRpcError(error).code !== Code.UNAVAILABLE) throw error;
    }
  }
}
