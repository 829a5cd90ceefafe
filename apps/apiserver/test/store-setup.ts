import type { TestProject } from 'vitest/node';
import { type Server, type StoreTls, onPath, startEtcd, startStoreProcess } from '../../store/test/servers.ts';
import type { StoreAddress } from './stores.ts';

declare module 'vitest' {
  interface ProvidedContext {
    store: StoreAddress;
  }
}

const isOurs = (server: Server): server is Server & { readonly tls: StoreTls } => 'tls' in server;

let running: Server | undefined;

/** One store for the whole run of `vitest.stores.config.ts`: the servers of the tests keep apart by their prefixes. */
export async function setup(project: TestProject): Promise<void> {
  const kind = process.env['ORRERY_TEST_STORE'] ?? 'store';
  if (kind === 'replicas') {
    project.provide('store', {});
    return;
  }
  const etcd = onPath('etcd');
  if (kind === 'etcd' && !etcd) throw new Error('etcd is not on PATH (Debian: apt-get install etcd-server)');
  const server = kind === 'etcd' && etcd ? await startEtcd(etcd) : await startStoreProcess();
  running = server;
  project.provide('store', { address: server.address, ...(isOurs(server) ? { tls: server.tls } : {}) });
}

export async function teardown(): Promise<void> {
  await running?.stop();
}
