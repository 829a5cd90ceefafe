import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ensurePki } from '@orrery/node-io/pki';
import { KVDefinition, MaintenanceDefinition } from '@orrery/proto/etcd';
import { type Channel, createClient, grpcChannel } from '@orrery/rpc';
import { describe, expect, it } from 'vitest';
import { freePort, temporaryDir } from './servers.ts';

const main = join(import.meta.dirname, '../src/main.ts');
/** Node runs the sources themselves from this version on. */
const runsSources = Number(process.versions.node.split('.')[0]) >= 24;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Running {
  readonly channel: Channel;
  readonly start: () => void;
  child: ChildProcess;
}

/** Three processes that talk to each other, and to clients, over TLS with certificates on both sides. */
async function startMembers(dir: string): Promise<Running[]> {
  const pki = ensurePki(join(dir, 'pki'));
  const { cert, key } = pki.servingCert('store', { subject: { commonName: 'store' }, altNames: { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] } });
  const file = (name: string): string => join(dir, 'pki', name);
  const files = (prefix: string): string[] => [
    ...[`--${prefix}cert-file`, file('store.crt'), `--${prefix}key-file`, file('store.key')],
    ...[`--${prefix}trusted-ca-file`, file('ca.crt'), `--${prefix}client-cert-auth`],
  ];
  const ports = [await freePort(), await freePort(), await freePort()];
  const cluster = ports.map((port, i) => `m${i}=localhost:${port}`).join();
  const clientPorts = [await freePort(), await freePort(), await freePort()];
  return ports.map((port, i) => {
    const own = ['--name', `m${i}`, '--data-dir', join(dir, `m${i}`), '--listen-client', `localhost:${clientPorts[i]}`, '--listen-peer', `localhost:${port}`, '--initial-cluster', cluster];
    const run = (): ChildProcess => spawn(process.execPath, [main, ...own, ...files(''), ...files('peer-'), '--snapshot-count', '500'], { stdio: 'ignore' });
    const channel = grpcChannel(`localhost:${clientPorts[i]}`, { tls: { ca: pki.caCert, cert, key } });
    const running: Running = { channel, child: run(), start: () => void (running.child = run()) };
    return running;
  });
}

const statusOf = ({ channel }: Running) => createClient(MaintenanceDefinition, channel).status({}, { timeoutMs: 1000 });

/** Waits until all agree on a leader; which of them it is. */
async function leaderOf(members: readonly Running[]): Promise<Running> {
  for (;;) {
    const statuses = await Promise.all(members.map((member) => statusOf(member).catch(() => undefined)));
    const found = members.find((_, i) => statuses.every((status) => status && status.leader === statuses[i]?.header?.memberId));
    if (found) return found;
    await pause(50);
  }
}

async function kill({ child }: Running, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  await once(child, 'exit');
}

describe.skipIf(!runsSources)('three processes over TLS', () => {
  it('lose nothing that was acknowledged when the leader is killed under load, nor when all are', async () => {
    const dir = temporaryDir();
    const members = await startMembers(dir.path);
    const acknowledged: string[] = [];
    let [next, done] = [0, false];
    const writer = async (w: number): Promise<void> => {
      for (let at = w; !done; at++) {
        // A key of its own: a put whose answer was lost may come to pass later than the next one.
        const key = `key-${next++}`;
        const kv = createClient(KVDefinition, (members[at % 3] as Running).channel);
        await kv.put({ key: Buffer.from(key) }, { timeoutMs: 3000 }).then(
          () => acknowledged.push(key),
          () => pause(20),
        );
      }
    };
    await leaderOf(members);
    const writers = Array.from({ length: 12 }, (_, w) => writer(w));
    const more = async (count: number): Promise<void> => {
      const target = next + count;
      while (next < target) await pause(20);
    };
    await more(300);
    const leader = await leaderOf(members);
    await kill(leader, 'SIGKILL');
    await leaderOf(members.filter((member) => member !== leader));
    await more(150);
    leader.start();
    await leaderOf(members);
    await more(50);
    done = true;
    await Promise.all(writers);
    await Promise.all(members.map((member) => kill(member, 'SIGKILL')));
    for (const member of members) member.start();
    await leaderOf(members);
    expect(acknowledged.length).toBeGreaterThan(300);
    for (const { channel } of members) {
      const { kvs = [] } = await createClient(KVDefinition, channel).range({ key: Buffer.from('key-'), rangeEnd: Buffer.from('key.') }, { timeoutMs: 10_000 });
      const found = new Set(kvs.map(({ key }) => String(key)));
      expect(acknowledged.filter((key) => !found.has(key))).toEqual([]);
    }
    const hashes = await Promise.all(members.map(({ channel }) => createClient(MaintenanceDefinition, channel).hashKV({})));
    expect(new Set(hashes.map(({ hash }) => hash)).size).toBe(1);
    for (const { channel } of members) channel.close();
    await Promise.all(members.map((member) => kill(member, 'SIGTERM')));
    dir.remove();
  }, 90_000);
});
