import type { Conn } from '@orrery/vnet';
import type { Proc } from '../../process/proc.ts';
import type { Command } from './flags.ts';

const lingerMs = 500;

/** Prints what went wrong; the code tells tests at which step. */
async function failed(proc: Proc, code: number, text: string): Promise<number> {
  await proc.out(`${text}\n`);
  return code;
}

async function expectData(proc: Proc, conn: Conn, expected: string): Promise<number> {
  const received: Uint8Array[] = [];
  let length = 0;
  while (length < expected.length) {
    const bytes = await proc.until(conn.read());
    if (!bytes) return failed(proc, 2, `Expected to read ${expected.length} bytes from client, but got ${length} instead. err=EOF`);
    received.push(bytes);
    length += bytes.length;
  }
  const text = Buffer.concat(received).subarray(0, expected.length).toString();
  if (text !== expected) return failed(proc, 3, `Expect to read ${JSON.stringify(expected)}, but got ${JSON.stringify(text)}. err=<nil>`);
  await proc.out('Received expected client data\n');
  return 0;
}

/** Takes one connection, checks what comes in and sends chunks; says on stdout how far it is. */
export const portForwardTester: Command = async (proc) => {
  const value = (name: string): string => proc.env.get(name) ?? '';
  const address = value('BIND_ADDRESS') || 'localhost';
  const [ip = ''] = address === 'localhost' ? ['127.0.0.1'] : await proc.net.lookup(address);
  const conn = await proc.until(
    new Promise<Conn>((resolve) => {
      const listener = proc.net.listen({ ip, port: Number(value('BIND_PORT')) }, (accepted) => {
        listener.close();
        resolve(accepted);
      });
    }),
  );
  await proc.out('Accepted client connection\n');
  const expected = value('EXPECTED_CLIENT_DATA');
  const problem = expected ? await expectData(proc, conn, expected) : 0;
  if (problem) return problem;
  for (const name of ['CHUNKS', 'CHUNK_SIZE', 'CHUNK_INTERVAL']) if (!/^-?\d+$/.test(value(name))) return failed(proc, 1, `Error parsing ${name} ${JSON.stringify(value(name))}: strconv.Atoi: parsing ${JSON.stringify(value(name))}: invalid syntax`);
  const [chunks, size, everyMs] = [Number(value('CHUNKS')), Number(value('CHUNK_SIZE')), Number(value('CHUNK_INTERVAL'))];
  const data = Buffer.from('x'.repeat(size));
  for (let i = 0; i < chunks; i++) {
    await conn.write(data);
    if (i + 1 < chunks) await proc.sleep(everyMs);
  }
  await proc.out('Shutting down connection\n');
  await conn.closeWrite();
  await proc.sleep(lingerMs);
  conn.close();
  await proc.out('Done\n');
  return 0;
};
