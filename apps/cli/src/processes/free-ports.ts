import { createServer } from 'node:net';
import type { Random } from '@orrery/runtime';

/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux), so that a port chosen now is not taken
 * by a connection before its listener starts, and below the node ports (from 30000).
 */
const first = 12_000;
const count = 17_000;

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/**
 * Ports of the loopback interface that are free now, from a random place on, so that clusters that start together seldom meet. `given`
 * remembers those of one cluster, whose listeners may not have started yet.
 */
export async function freePorts(wanted: number, random: Random, given = new Set<number>()): Promise<number[]> {
  const start = random.int(count);
  const found: number[] = [];
  for (let i = 0; i < count && found.length < wanted; i++) {
    const port = first + ((start + i) % count);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) found.push(port);
  }
  if (found.length < wanted) throw new Error(`only ${found.length} of ${wanted} ports between ${first} and ${first + count} are free`);
  return found;
}
