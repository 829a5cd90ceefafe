import type { TestProject } from 'vitest/node';
import { LeaderKiller } from '../../store/test/leader-killer.ts';
import { startMembers } from '../../store/test/members.ts';
import { onPath, startEtcd, startStoreProcess } from '../../store/test/servers.ts';
import type { StoreAddress } from './stores.ts';

declare module 'vitest' {
  interface ProvidedContext {
    store: StoreAddress;
  }
}

/** Pause after all members of the store are together again before the next leader is killed. */
const killEveryMs = 4000;

interface Running {
  readonly address: StoreAddress;
  stop(): Promise<void>;
}

async function etcd(): Promise<Running> {
  const program = onPath('etcd');
  if (!program) throw new Error('etcd is not on PATH (Debian: apt-get install etcd-server)');
  const { address, stop } = await startEtcd(program);
  return { address: { addresses: [address] }, stop };
}

async function store(): Promise<Running> {
  const { address, tls, stop } = await startStoreProcess();
  return { address: { addresses: [address], tls }, stop };
}

/** Three members; the one that leads is killed every few seconds as long as the tests run. */
async function cluster(): Promise<Running> {
  const members = await startMembers({ tls: true, args: ['--election-timeout', '500', '--heartbeat-interval', '50', '--snapshot-count', '2000'] });
  await members.leader();
  const killer = new LeaderKiller(members, killEveryMs);
  const stop = async (): Promise<void> => {
    await killer.stop().finally(() => members.stop());
    process.stdout.write(`killed ${killer.kills} leaders of the store\n`);
  };
  return { address: { addresses: members.addresses, ...(members.tls ? { tls: members.tls } : {}) }, stop };
}

const kinds: Readonly<Record<string, () => Promise<Running>>> = { store, etcd, cluster, replicas: async () => ({ address: {}, stop: async () => undefined }) };
let running: Running | undefined;

/** One store for the whole run of `vitest.stores.config.ts`: the servers of the tests keep apart by their prefixes. */
export async function setup(project: TestProject): Promise<void> {
  const kind = process.env['ORRERY_TEST_STORE'] ?? 'store';
  const start = kinds[kind];
  if (!start) throw new Error(`ORRERY_TEST_STORE is one of ${Object.keys(kinds).join(', ')}`);
  running = await start();
  project.provide('store', running.address);
}

export async function teardown(): Promise<void> {
  await running?.stop();
}
