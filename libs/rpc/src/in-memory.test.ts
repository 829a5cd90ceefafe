import { expect, test } from 'vitest';
import { AsyncQueue } from './async-queue.ts';
import { forEachAnswer, inMemoryChannel } from './in-memory.ts';
import { Code, RpcError } from './rpc-error.ts';
import { type CallContext, type MessageType, type MethodDefinition, createClient, service } from './service.ts';

const message = {} as MessageType<string>;
const method = (name: string, responseStream: boolean): MethodDefinition<string, string> => ({ name, requestType: message, requestStream: false, responseType: message, responseStream });
const definition = { name: 'S', fullName: 't.S', methods: { ask: method('Ask', false) as MethodDefinition<string, string> & { requestStream: false; responseStream: false }, watch: method('Watch', true) as MethodDefinition<string, string> & { requestStream: false; responseStream: true } } };

function world(ask: (request: string, context: CallContext) => Promise<string>) {
  const queue = { left: 0, context: undefined as CallContext | undefined, items: new AsyncQueue<string>(() => queue.left++) };
  const channel = inMemoryChannel([service(definition, { ask, watch: (_, context) => ((queue.context = context), queue.items) })]);
  return { queue, client: createClient(definition, channel) };
}

test('a stream hands over what comes, and who stops reading ends the call', async () => {
  const { queue, client } = world(async (text) => text);
  queue.items.push('a');
  const seen: string[] = [];
  setImmediate(() => queue.items.push('b'));
  for await (const item of client.watch('')) if (seen.push(item) === 2) break;
  expect([seen, queue.left, queue.context?.signal.aborted]).toEqual([['a', 'b'], 1, true]);
  queue.items.push('c');
  expect(queue.items.size).toBe(0);
});

test('the caller\'s signal ends the wait for the next answer, though the handler goes on', async () => {
  const { queue, client } = world(async (text) => text);
  const caller = new AbortController();
  const answers = client.watch('', { signal: caller.signal })[Symbol.asyncIterator]();
  const next = answers.next();
  caller.abort(new Error('enough'));
  await expect(next).rejects.toMatchObject({ code: Code.CANCELLED });
  expect(queue.context?.signal.aborted).toBe(true);
  expect(await answers.next()).toEqual({ done: true, value: undefined });
  await expect(client.watch('', { signal: caller.signal })[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: Code.CANCELLED });
});

test('who takes all answers gets together what came together, until the end, an error or the caller\'s signal', async () => {
  const { queue, client } = world(async (text) => text);
  const caller = new AbortController();
  const seen: string[] = [];
  const over = forEachAnswer(client.watch('', { signal: caller.signal }), (item) => void seen.push(item)).catch((error: unknown) => error);
  queue.items.push('a');
  queue.items.push('b');
  expect(seen).toEqual([]);
  await Promise.resolve();
  await Promise.resolve();
  expect(seen).toEqual(['a', 'b']);
  caller.abort(new Error('enough'));
  expect(await over).toMatchObject({ code: Code.CANCELLED });
  queue.items.push('c');
  expect([seen, queue.left]).toEqual([['a', 'b'], 1]);
  const failing = world(async (text) => text);
  failing.queue.items.push('a');
  failing.queue.items.end(new RpcError(Code.UNAVAILABLE, 'away'));
  await expect(forEachAnswer(failing.client.watch(''), (item) => void seen.push(item))).rejects.toMatchObject({ code: Code.UNAVAILABLE });
  const brief = world(async (text) => text);
  brief.queue.items.push('z');
  brief.queue.items.end();
  await forEachAnswer(brief.client.watch(''), (item) => void seen.push(item));
  expect(seen).toEqual(['a', 'b', 'a', 'z']);
});

test('what is queued is read before the end, and an error is told once', async () => {
  const { queue, client } = world(async (text) => text);
  queue.items.push('a');
  queue.items.end(new RpcError(Code.UNAVAILABLE, 'away'));
  const answers = client.watch('')[Symbol.asyncIterator]();
  expect(await answers.next()).toEqual({ done: false, value: 'a' });
  await expect(answers.next()).rejects.toMatchObject({ code: Code.UNAVAILABLE, message: 'away' });
  expect([await answers.next(), queue.left]).toEqual([{ done: true, value: undefined }, 1]);
});

test('a unary call has the caller\'s signal; whatever a handler throws becomes an RpcError', async () => {
  const caller = new AbortController();
  const { client } = world((text, { signal }) => {
    if (text === 'throw') throw new TypeError('no');
    if (text === 'reject') return Promise.reject(new RpcError(Code.NOT_FOUND, 'none'));
    return text === 'wait' ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('handler saw it')))) : Promise.resolve(text);
  });
  expect(await client.ask('x', { signal: caller.signal })).toBe('x');
  await expect(client.ask('throw')).rejects.toMatchObject({ code: Code.UNKNOWN, message: 'no' });
  await expect(client.ask('reject')).rejects.toMatchObject({ code: Code.NOT_FOUND });
  const waiting = client.ask('wait', { signal: caller.signal });
  caller.abort(new Error('enough'));
  await expect(waiting).rejects.toMatchObject({ code: Code.CANCELLED });
});
