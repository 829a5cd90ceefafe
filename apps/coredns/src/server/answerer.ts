import type { Env } from '@orrery/runtime';
import { type Query, type Reply, type Transport, bare } from '../message.ts';
import type { Instance } from './instance.ts';
import { readQuery } from './read.ts';
import { encodeFailure, encodeReply } from './wire.ts';

/** Turns a whole DNS message into its reply; the one place behind UDP, TCP and tests. */
export interface Answerer {
  /** Undefined: say nothing. */
  answer(message: Uint8Array, from: { readonly transport: Transport; readonly client: { readonly ip: string; readonly port: number } }): Promise<Uint8Array | undefined>;
}

/** Answers by the blocks of whatever instance is current, of one port. */
export function createAnswerer(options: { readonly env: Env; readonly port: number; readonly current: () => Instance | undefined }): Answerer {
  const { env, port, current } = options;
  const handle = async (query: Query): Promise<{ reply: Reply; block: ReturnType<Instance['block']> }> => {
    const block = current()?.block(port, query.name);
    if (!block || (query.class !== 'IN' && !block.anyClass)) return { reply: bare('REFUSED'), block };
    try {
      return { reply: await block.handle(query), block };
    } catch (error) {
      // The errors plugin has said it where there is one.
      env.log.debug('a query failed', { error });
      return { reply: bare('SERVFAIL'), block };
    }
  };
  return {
    async answer(message, from) {
      const read = readQuery(message, from);
      if (read === 'silent') return undefined;
      if ('failure' in read) return encodeFailure(message, read.failure);
      if ('badVersion' in read) return encodeReply(read.badVersion, bare('BADVERS'));
      const { query } = read;
      const began = env.clock.monotonic();
      const { reply, block } = await handle(query);
      if (reply.dropped) return undefined;
      const bytes = encodeReply(query, reply);
      block?.metrics?.observe(query, { rcode: reply.rcode, bytes: bytes.length, seconds: (env.clock.monotonic() - began) / 1000 });
      return bytes;
    },
  };
}
