import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { KVDefinition } from '@orrery/proto/etcd';
import { createClient, grpcChannel } from '@orrery/rpc';
import { describe, expect, it } from 'vitest';
import { temporaryDir } from './servers.ts';

const main = join(import.meta.dirname, '../src/main.ts');
/** Node runs the sources themselves from this version on. */
const runsSources = Number(process.versions.node.split('.')[0]) >= 24;

interface Program {
  readonly child: ChildProcess;
  readonly address: string;
}

/** Starts the program on a data directory and waits until it says where it serves. */
async function start(dataDir: string): Promise<Program> {
  const child = spawn(process.execPath, [main, '--data-dir', dataDir, '--listen-client', '127.0.0.1:0', '--snapshot-count', '500'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
    said += `${line}\n`;
    const address = /"serving etcd v3".*"address":"([^"]+)"/.exec(line)?.[1];
    if (address) return { child, address };
  }
  throw new Error(`store did not start:\n${said}`);
}

async function end({ child }: Program, signal: NodeJS.Signals): Promise<number | null> {
  child.kill(signal);
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

describe.skipIf(!runsSources)('the program', () => {
  it('holds every acknowledged put after kill -9 under load, three times over', async () => {
    const dir = temporaryDir();
    const acknowledged = new Map<string, number>();
    let next = 0;
    for (let round = 0; round < 3; round++) {
      const program = await start(dir.path);
      const channel = grpcChannel(program.address);
      const kv = createClient(KVDefinition, channel);
      const writer = async (w: number): Promise<void> => {
        for (;;) {
          const [key, n] = [`key-${w}`, next++];
          await kv.put({ key: Buffer.from(key), value: Buffer.from(String(n)) });
          acknowledged.set(key, n);
        }
      };
      const writers = Array.from({ length: 20 }, (_, w) => writer(w).catch(() => undefined));
      const target = acknowledged.size && Math.max(...acknowledged.values());
      while (Math.max(0, ...acknowledged.values()) < target + 700) await new Promise((resolve) => setTimeout(resolve, 20));
      await end(program, 'SIGKILL');
      await Promise.all(writers);
      channel.close();

      const after = await start(dir.path);
      const check = grpcChannel(after.address);
      const { kvs = [] } = await createClient(KVDefinition, check).range({ key: Buffer.from('key-'), rangeEnd: Buffer.from('key.') });
      const found = new Map(kvs.map((kv) => [String(kv.key), Number(String(kv.value))]));
      // The put in flight may be there as well.
      for (const [key, n] of acknowledged) expect(found.get(key), key).toBeGreaterThanOrEqual(n);
      check.close();
      expect(await end(after, 'SIGTERM')).toBe(0);
    }
    dir.remove();
  }, 240_000);

  it('refuses a data directory that is in use, naming the process', async () => {
    const dir = temporaryDir();
    const program = await start(dir.path);
    await expect(start(dir.path)).rejects.toThrow(`is in use by process ${program.child.pid}`);
    await end(program, 'SIGTERM');
    dir.remove();
  }, 120_000);
});
