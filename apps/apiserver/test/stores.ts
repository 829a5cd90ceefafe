import { type Channel, type TlsMaterial, grpcChannel } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { inject } from 'vitest';
import { createStore } from '../../store/src/component.ts';

/** Where a store listens that all tests of the run share; without an address every test has its own in this process. */
export interface StoreAddress {
  readonly address?: string;
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
 * what ORRERY_TEST_STORE names: `store` (our store, a process of its own over TLS), `etcd` (the original), `replicas` (two
 * API servers that take turns).
 */
export async function startTestStore(env: Env): Promise<TestStore> {
  const shared = inject('store') as StoreAddress | undefined;
  if (shared?.address) {
    const channel = grpcChannel(shared.address, shared.tls ? { tls: shared.tls, serverName: 'localhost' } : {});
    count += 1;
    return { channel: () => channel, prefix: `/registry-${env.random.uuid()}-${count}`, stop: async () => channel.close() };
  }
  const store = createStore(env, {}, { listenClient: [] });
  await store.start();
  return { channel: () => store.channel(), prefix: '/registry', stop: () => store.stop() };
}

/** Do two API servers share the requests of a test? */
export const takesTurns = (): boolean => process.env['ORRERY_TEST_STORE'] === 'replicas';
