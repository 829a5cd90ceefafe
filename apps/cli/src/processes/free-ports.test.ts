import { createServer } from 'node:net';
import { randomFrom, seededRandom } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { freePorts } from './free-ports.ts';

it('finds different free ports, out of the way of outgoing connections and node ports', async () => {
  const ports = await freePorts(40, seededRandom(7));
  expect(new Set(ports).size).toBe(40);
  expect(ports.every((port) => port >= 12_000 && port < 30_000)).toBe(true);
});

it('passes over a port that is taken', async () => {
  const fixed = randomFrom(() => 0.5);
  const [port = 0] = await freePorts(1, fixed);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  expect(await freePorts(1, fixed)).not.toContain(port);
  await new Promise((resolve) => server.close(resolve));
});
