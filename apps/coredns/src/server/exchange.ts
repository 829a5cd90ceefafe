import type { Clock } from '@orrery/runtime';
import { type Conn, NetError, type NetStack } from '@orrery/vnet';
import type { DnsWorld, UpstreamAddress } from '../world.ts';

type Exchange = DnsWorld['exchange'];

async function overTcp(conn: Conn, message: Uint8Array): Promise<Uint8Array> {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  await conn.write(Buffer.concat([length, message]));
  let pending = Buffer.alloc(0);
  for (let bytes = await conn.read(); bytes; bytes = await conn.read()) {
    pending = Buffer.concat([pending, bytes]);
    if (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) return pending.subarray(2, 2 + pending.readUInt16BE(0));
  }
  throw new NetError('ECONNRESET', 'connection closed before the reply');
}

function overUdp(net: NetStack, to: UpstreamAddress, message: Uint8Array): { reply: Promise<Uint8Array>; close: () => void } {
  let answered: (bytes: Uint8Array) => void = () => undefined;
  const reply = new Promise<Uint8Array>((resolve) => (answered = resolve));
  const socket = net.udp({ ip: '', port: 0 }, (bytes) => {
    if (bytes[0] === message[0] && bytes[1] === message[1]) answered(bytes);
  });
  socket.send(message, to);
  return { reply, close: () => socket.close() };
}

/** Exchanges within the emulated network, plain UDP and TCP. */
function withinNet(net: NetStack, clock: Clock): Exchange {
  return async (to, message, { transport, timeoutMs }) => {
    if (transport === 'tls') throw new NetError('EHOSTUNREACH', 'TLS is not spoken in the emulated network');
    let close = (): void => undefined;
    const late = (): Error => new NetError('ETIMEDOUT', `read ${transport} ${to.ip}:${to.port}: i/o timeout`);
    const work = async (): Promise<Uint8Array> => {
      if (transport === 'udp') {
        const flow = overUdp(net, to, message);
        close = flow.close;
        return flow.reply;
      }
      const conn = await net.dial(to, { timeoutMs });
      close = () => conn.close();
      return overTcp(conn, message);
    };
    return new Promise<Uint8Array>((resolve, reject) => {
      const timer = clock.after(timeoutMs, () => {
        close();
        reject(late());
      });
      work()
        .then(resolve, reject)
        .finally(() => {
          timer.cancel();
          close();
        });
    });
  };
}

const isLoopback = (ip: string): boolean => ip.startsWith('127.') || ip === '::1';

/**
 * The way to a server: through the emulated network when its address lives there, else from this machine. Where an address
 * lives is found out by a connection to it, and again whenever it did not answer.
 */
export function createExchange(options: { readonly net?: NetStack; readonly host?: Exchange; readonly clock: Clock }): Exchange {
  const { net, host, clock } = options;
  const inside = net && withinNet(net, clock);
  const places = new Map<string, Promise<'net' | 'host'>>();
  const find = async (to: UpstreamAddress): Promise<'net' | 'host'> => {
    if (!net || isLoopback(to.ip)) return 'host';
    if (!host) return 'net';
    try {
      (await net.dial(to, { timeoutMs: 1_000 })).close();
      return 'net';
    } catch (error) {
      // Who refuses is there: UDP may be all it speaks.
      return error instanceof NetError && error.code === 'ECONNREFUSED' ? 'net' : 'host';
    }
  };
  return async (to, message, how) => {
    const key = `${to.ip} ${to.port}`;
    let place = places.get(key);
    if (!place) places.set(key, (place = find(to)));
    const way = (await place) === 'net' ? inside : host;
    if (!way) throw new NetError('EHOSTUNREACH', `no route to ${to.ip}:${to.port}`);
    try {
      return await way(to, message, how);
    } catch (error) {
      places.delete(key);
      throw error;
    }
  };
}
