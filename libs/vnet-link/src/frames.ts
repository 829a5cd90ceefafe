import type { Frame } from '@orrery/proto/vnet';
import { type AsyncQueue, Code, RpcError } from '@orrery/rpc';
import { type Conn, NetError, type NetErrorCode } from '@orrery/vnet';

const codes: readonly string[] = ['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ECONNRESET', 'EADDRINUSE', 'EADDRNOTAVAIL', 'EPIPE'] satisfies NetErrorCode[];

/** The errno travels at the start of the message: `ECONNREFUSED: 10.0.0.1:80`. */
export function toRpc(error: unknown): RpcError {
  if (error instanceof NetError) return new RpcError(Code.UNAVAILABLE, `${error.code}: ${error.message}`);
  return new RpcError(Code.UNAVAILABLE, `EHOSTUNREACH: ${error instanceof Error ? error.message : String(error)}`);
}

export function fromRpc(error: unknown): NetError {
  const message = error instanceof Error ? error.message : String(error);
  const at = message.indexOf(': ');
  const code = codes.find((name) => name === message.slice(0, at)) as NetErrorCode | undefined;
  return code ? new NetError(code, message.slice(at + 2)) : new NetError('EHOSTUNREACH', message);
}

/** Bytes waiting to be sent beyond which the reader of the connection pauses. */
const maxQueued = 16;

/** Sends what the connection yields as frames until its end; waits while the other end is slow. */
export async function pumpOut(conn: Conn, frames: AsyncQueue<Frame>, drained: () => Promise<void>): Promise<void> {
  try {
    for (let bytes = await conn.read(); bytes; bytes = await conn.read()) {
      frames.push({ kind: { $case: 'data', value: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) } });
      if (frames.size > maxQueued) await drained();
    }
    frames.push({ kind: { $case: 'end', value: true } });
  } catch (error) {
    frames.push({ kind: { $case: 'reset', value: error instanceof NetError ? error.code : 'ECONNRESET' } });
  }
}

/** Writes incoming frames to the connection until the other end is done; a broken stream resets it. */
export async function pumpIn(frames: AsyncIterator<Frame>, conn: Conn): Promise<void> {
  try {
    for (let next = await frames.next(); !next.done; next = await frames.next()) {
      const { kind } = next.value;
      if (kind?.$case === 'data') await conn.write(kind.value);
      else if (kind?.$case === 'end') await conn.closeWrite();
      else if (kind?.$case === 'reset') return conn.close(new NetError('ECONNRESET', 'connection reset by peer'));
    }
    conn.close();
  } catch (error) {
    conn.close(error instanceof NetError ? error : new NetError('ECONNRESET', 'the link to the other switch broke'));
  }
}
