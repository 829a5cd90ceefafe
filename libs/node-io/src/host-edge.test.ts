import { silentLogger } from '@orrery/runtime';
import { type Conn, type Endpoint, connPair } from '@orrery/vnet';
import { afterEach, expect, it } from 'vitest';
import { createHostEdge } from './host-edge.ts';

/** Two nodes of which each has a few addresses of this machine: all of 127.0.0.0/8 are. */
type Edge = ReturnType<typeof createHostEdge>;
const edges: Edge[] = [];
afterEach(async () => {
  for (const edge of edges.splice(0)) await edge.close();
});

interface Arrivals {
  readonly conns: { conn: Conn; from: Endpoint }[];
  readonly datagrams: { from: Endpoint; to: Endpoint; text: string }[];
  /** Resolves with the next of either. */
  next(): Promise<void>;
}

function node(): { edge: Edge } & Arrivals {
  const conns: Arrivals['conns'] = [];
  const datagrams: Arrivals['datagrams'] = [];
  let wake = (): void => undefined;
  const fabric = {
    admit({ from, to }: { from: Endpoint; to: Endpoint }) {
      const pair = connPair({ client: from, clientRemote: to, server: to });
      conns.push({ conn: pair.server, from });
      wake();
      return Promise.resolve(pair.client);
    },
    admitDatagram({ from, to, bytes }: { from: Endpoint; to: Endpoint; bytes: Uint8Array }) {
      datagrams.push({ from, to, text: Buffer.from(bytes).toString() });
      wake();
    },
  };
  const edge = createHostEdge({ fabric: () => fabric, podRanges: ['127.1.0.0/16'], log: silentLogger });
  edges.push(edge);
  return { edge, conns, datagrams, next: () => new Promise((resolve) => (wake = resolve)) };
}

const said = async (conn: Conn): Promise<string> => Buffer.from((await conn.read()) ?? []).toString();

/** Opening takes a moment: until then the port is refused. */
async function dialled(edge: Edge, from: string, to: Endpoint): Promise<Conn> {
  for (;;) {
    const conn = await edge.dial({ from: { ip: from, port: 0 }, to }, {}).catch(() => undefined);
    if (conn) return conn;
  }
}

it('carries connections from a pod to one of another node, with the address it has', async () => {
  const [a, b] = [node(), node()];
  const close = b.edge.bound('TCP', ['127.1.2.2'], 21_080);
  const there = await dialled(a.edge, '127.1.1.2', { ip: '127.1.2.2', port: 21_080 });
  const { conn, from } = b.conns[0] as Arrivals['conns'][number];
  expect(from.ip).toBe('127.1.1.2');
  await there.write(Buffer.from('hello'));
  expect(await said(conn)).toBe('hello');
  close();
  close();
  await conn.write(Buffer.from('still here'));
  expect(await said(there)).toBe('still here');
  await b.edge.close();
  await expect(a.edge.dial({ from: { ip: '127.1.1.2', port: 0 }, to: { ip: '127.1.2.2', port: 21_080 } }, {})).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

it('a port that is closed and opened in one breath is open', async () => {
  const b = node();
  b.edge.bound('TCP', ['127.1.2.3'], 21_081)();
  b.edge.bound('TCP', ['127.1.2.3'], 21_081);
  await dialled(b.edge, '127.1.2.4', { ip: '127.1.2.3', port: 21_081 });
  expect(b.conns).toHaveLength(1);
});

it('what leaves the ranges of pods does not come from a pod', async () => {
  const [a, b] = [node(), node()];
  b.edge.bound('TCP', ['127.2.0.1'], 21_082);
  await dialled(a.edge, '127.1.1.2', { ip: '127.2.0.1', port: 21_082 });
  expect(b.conns[0]?.from.ip).not.toBe('127.1.1.2');
});

it('gives a dial up that its caller gives up', async () => {
  const gone = AbortSignal.abort();
  await expect(node().edge.dial({ from: { ip: '127.1.1.2', port: 0 }, to: { ip: '127.1.2.2', port: 21_083 } }, { signal: gone })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
});

it('carries datagrams both ways, the first of a socket too', async () => {
  const [a, b] = [node(), node()];
  const [client, server] = [{ ip: '127.1.1.2', port: 21_084 }, { ip: '127.1.2.2', port: 21_085 }];
  b.edge.bound('UDP', [server.ip], server.port);
  const asked = b.next();
  a.edge.bound('UDP', [client.ip], client.port);
  a.edge.datagram?.({ from: client, to: server, bytes: Buffer.from('who') }, () => undefined);
  await asked;
  expect(b.datagrams).toEqual([{ from: client, to: server, text: 'who' }]);
  const answered = a.next();
  b.edge.datagram?.({ from: server, to: client, bytes: Buffer.from('me') }, () => undefined);
  await answered;
  expect(a.datagrams).toEqual([{ from: server, to: client, text: 'me' }]);
});
