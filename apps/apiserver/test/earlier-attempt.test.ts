import { realEnv } from '@orrery/node-io';
import { KVDefinition } from '@orrery/proto/etcd';
import { type Channel, type Client, Code, RpcError, createClient } from '@orrery/rpc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createStore, type Store } from '../../store/src/component.ts';
import { type EtcdStore, createEtcdStore } from '../src/storage/etcd-store.ts';
import type { ValueCodec } from '../src/storage/value-codec.ts';

const key = '/registry/configmaps/default/a';
const bytes = (text: string): Buffer => Buffer.from(text);

const plain: ValueCodec = { encode: (_, value) => value, decode: (_, raw) => raw };

/** A transaction whose answer is lost, while others go on writing. */
describe('a write whose answer is lost', () => {
  const env = realEnv({ name: 'test', level: 'error' });
  let store: Store;
  let kv: Client<typeof KVDefinition>;
  let etcd: EtcdStore;
  /** Runs after the next transaction was done (or not), before its answer is lost. */
  let losing: { reaches: boolean; then: () => Promise<unknown> } | undefined;

  beforeEach(async () => {
    store = createStore(env, {}, { listenClient: [] });
    await store.start();
    const inner = store.channel();
    kv = createClient(KVDefinition, inner);
    const lossy: Channel = {
      ...inner,
      call: (definition, method, input, options) => {
        const lost = method.name === 'Txn' ? losing : undefined;
        if (!lost) return inner.call(definition, method, input, options);
        losing = undefined;
        return (async () => {
          if (lost.reaches) await inner.call(definition, method, input, options);
          await lost.then();
          throw new RpcError(Code.UNAVAILABLE, 'Connection dropped');
        })();
      },
    };
    etcd = createEtcdStore(lossy, { clock: env.clock, probeKey: '/registry/probe', codec: plain });
  });
  afterEach(() => store.stop());

  const put = async (value: string): Promise<number> => (await kv.put({ key: bytes(key), value: bytes(value) })).header?.revision ?? 0;
  const remove = (): Promise<unknown> => kv.deleteRange({ key: bytes(key) });
  const stored = async (): Promise<string> => String((await kv.range({ key: bytes(key) })).kvs?.[0]?.value ?? 'nothing');

  it('update that was not done is done, once', async () => {
    const expected = await put('before');
    losing = { reaches: false, then: async () => undefined };
    expect(await etcd.commit([{ key, expect: expected, put: bytes('mine') }])).toEqual({ committed: true, revision: expected + 1 });
  });

  it('update that came too late is a conflict, with what is there', async () => {
    const expected = await put('before');
    losing = { reaches: false, then: () => put('theirs') };
    const result = await etcd.commit([{ key, expect: expected, put: bytes('mine') }]);
    expect(result).toMatchObject({ committed: false, current: [{ value: bytes('theirs') }] });
  });

  it.each([
    ['left alone', async () => undefined],
    ['changed', () => put('x').then(() => put('y'))],
    ['deleted', () => remove()],
    ['deleted and made anew', () => remove().then(() => put('new'))],
    ['compacted', async () => kv.compact({ revision: (await put('x'), await put('y')) })],
  ])('update that was done, and which others have %s since: nobody can say that it was not theirs', async (_, then) => {
    const expected = await put('before');
    losing = { reaches: true, then };
    await expect(etcd.commit([{ key, expect: expected, put: bytes('mine') }])).rejects.toMatchObject({ code: 500, message: 'rpc error: code = Unavailable desc = Connection dropped' });
  });

  it('update that says what another has said is not taken for its own', async () => {
    const expected = await put('before');
    losing = { reaches: false, then: () => put('same') };
    await expect(etcd.commit([{ key, expect: expected, put: bytes('same') }])).rejects.toMatchObject({ code: 500 });
  });

  it('creation that was done, and changed since, succeeds; one that came too late does not', async () => {
    losing = { reaches: true, then: () => put('changed') };
    expect(await etcd.commit([{ key, expect: 0, put: bytes('mine') }])).toMatchObject({ committed: true });
    await remove();
    losing = { reaches: false, then: () => put('theirs') };
    expect(await etcd.commit([{ key, expect: 0, put: bytes('mine') }])).toMatchObject({ committed: false });
  });

  it('deletion that was done leaves alone what was made since', async () => {
    const expected = await put('before');
    losing = { reaches: true, then: () => put('new') };
    expect(await etcd.commit([{ key, expect: expected, delete: true }])).toMatchObject({ committed: true });
    expect(await stored()).toBe('new');
  });

  it('deletion that came too late is a conflict', async () => {
    const expected = await put('before');
    losing = { reaches: false, then: () => put('changed') };
    expect(await etcd.commit([{ key, expect: expected, delete: true }])).toMatchObject({ committed: false });
  });
});
