import type { RpcError } from '@orrery/rpc';
import { type Server, onPath, startCluster, startEtcd, startStore } from './servers.ts';

const etcd = onPath('etcd');

/**
 * What the contract suites run on: this store over gRPC and by direct calls, and the original when its program is installed
 * (Debian: etcd-server), which is what keeps the suites honest.
 */
export const contractServers: [string, (() => Promise<Server>) | undefined][] = [
  ['this store over gRPC', () => startStore()],
  ['this store in memory', () => startStore({ inMemory: true })],
  ['three members, through the leader', () => startCluster('leader')],
  ['three members, through a follower', () => startCluster('follower')],
  ['three members, all in turn', () => startCluster('any')],
  [`the original${etcd ? '' : ' (not run: no etcd program on the path)'}`, etcd ? () => startEtcd(etcd) : undefined],
];

export const b = (text: string): Buffer => Buffer.from(text);

/** Code and text that the call fails with. */
export async function failure(promise: Promise<unknown>): Promise<[number, string]> {
  try {
    await promise;
  } catch (error) {
    return [(error as RpcError).code, (error as RpcError).message];
  }
  return [0, 'no error'];
}
