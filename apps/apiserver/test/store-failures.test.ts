import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { ConfigMaps } from '@orrery/api';
import { realEnv, serveHttp } from '@orrery/node-io';
import { KVDefinition } from '@orrery/proto/etcd';
import { type Channel, RpcError, createClient } from '@orrery/rpc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createStore, type Store } from '../../store/src/component.ts';
import { type ApiServer, type ApiServerConfig, createApiServer } from '../src/component.ts';
import { storeChannel } from '../src/storage/endpoints.ts';
import { toStorageError, unknownOutcomeError } from '../src/storage/errors.ts';
import { admin, eventually } from './test-server.ts';

/** A way to the store that can lose what passes: requests still arrive while `losesReplies` is set, but no answer comes back. */
class Wire {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  /** Answers to lose, each with its connection. */
  losesReplies = 0;

  constructor(to: number) {
    this.server = createServer((near) => {
      const far = connect(to, '127.0.0.1');
      for (const socket of [near, far]) {
        this.sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => (near.destroy(), far.destroy(), this.sockets.delete(socket)));
      }
      let asked = false;
      near.on('data', (data) => {
        asked ||= this.losesReplies > 0;
        far.write(data);
      });
      far.on('data', (data) => {
        if (asked && this.losesReplies > 0 && data.length > 40) {
          this.losesReplies -= 1;
          near.destroy();
        } else near.write(data);
      });
    });
  }

  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  async cut(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

describe('a store that fails', () => {
  const env = realEnv({ name: 'test', level: 'error' });
  const wires: Wire[] = [];
  let store: Store;
  let server: ApiServer;
  let storePort = 0;

  const wire = async (): Promise<{ wire: Wire; address: string }> => {
    const one = new Wire(storePort);
    wires.push(one);
    return { wire: one, address: `http://127.0.0.1:${await one.listen()}` };
  };
  const serve = async (addresses: readonly string[], settings: Partial<ApiServerConfig> = {}): Promise<void> => {
    const channel = storeChannel(addresses.join(','), { now: () => env.clock.monotonic(), random: env.random });
    server = createApiServer(env, { store: channel, plugins: [], http: serveHttp }, { port: 0, ...settings });
    await server.start();
  };
  beforeEach(async () => {
    store = createStore(env, {}, { listenClient: ['127.0.0.1:0'] });
    await store.start();
    storePort = Number(store.addresses[0]?.split(':').at(-1));
  });
  afterEach(async () => {
    await server.stop();
    for (const one of wires.splice(0)) await one.cut();
    await store.stop();
  });
  const configMap = (name: string) => ({ metadata: { name, namespace: 'default' }, data: { a: 'b' } });
  const versions = async (): Promise<number> => {
    const { kvs = [] } = await createClient(KVDefinition, store.channel()).range({ key: Buffer.from('/registry/configmaps/'), rangeEnd: Buffer.from('/registry/configmaps0') });
    return kvs.reduce((sum, one) => sum + (one.version ?? 0), 0);
  };

  it('goes on over another member when one dies, reads, writes and watches alike', async () => {
    const [a, b] = [await wire(), await wire()];
    await serve([a.address, b.address]);
    const api = server.client(admin);
    const seen: string[] = [];
    const handle = api.watch(ConfigMaps, { resourceVersion: '0' }, { events: (events) => seen.push(...events.map(({ object }) => object.metadata?.name ?? '')), closed: () => undefined });
    await api.create(ConfigMaps, configMap('before'));
    await a.wire.cut();
    for (let i = 0; i < 6; i++) await api.create(ConfigMaps, configMap(`after-${i}`));
    expect((await api.list(ConfigMaps, {})).items).toHaveLength(7);
    await eventually(() => seen.length === 7);
    handle.stop();
  });

  it('an answer that is lost neither loses nor doubles the write', async () => {
    const { wire: one, address } = await wire();
    await serve([address]);
    const api = server.client(admin);
    await api.create(ConfigMaps, configMap('first'));
    for (let i = 0; i < 3; i++) {
      one.losesReplies = 1;
      const made = await api.create(ConfigMaps, configMap(`lost-${i}`));
      expect(one.losesReplies).toBe(0);
      expect(made.metadata?.resourceVersion).toBe((await api.get(ConfigMaps, { namespace: 'default', name: `lost-${i}` })).metadata?.resourceVersion);
    }
    expect(await versions()).toBe(4);
    one.losesReplies = 1;
    // Another may have said the same: who changes what is there is told that nobody knows.
    await expect(api.update(ConfigMaps, { ...configMap('first'), data: { a: 'c' } })).rejects.toMatchObject({ code: 500, message: expect.stringMatching(/^rpc error: code = Unavailable desc = /) as string });
    expect((await api.get(ConfigMaps, { namespace: 'default', name: 'first' })).data).toEqual({ a: 'c' });
    expect(await versions()).toBe(5);
    one.losesReplies = 1;
    await api.delete(ConfigMaps, { namespace: 'default', name: 'first' });
    await expect(api.get(ConfigMaps, { namespace: 'default', name: 'first' })).rejects.toMatchObject({ code: 404 });
    expect((await api.list(ConfigMaps, {})).items).toHaveLength(3);
  });

  it('a store that is away is no invitation to repeat what may have happened', async () => {
    const { wire: one, address } = await wire();
    await serve([address]);
    const api = server.client(admin);
    await api.create(ConfigMaps, configMap('a'));
    await one.cut();
    await expect(api.create(ConfigMaps, configMap('b'))).rejects.toMatchObject({ code: expect.toSatisfy((code: number) => code >= 500) as number });
    await expect(api.get(ConfigMaps, { namespace: 'default', name: 'a' })).rejects.toMatchObject({ code: 503, status: { details: { retryAfterSeconds: 1 } } });
    expect((await api.get(ConfigMaps, { namespace: 'default', name: 'a' }, { resourceVersion: '0' })).data).toEqual({ a: 'b' });
  });

  describe('health checks', () => {
    const ask = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${server.port}${path}`)).text();

    it('wait for a store that is away for a moment', async () => {
      const { wire: one, address } = await wire();
      await serve([address], { etcdHealthcheckTimeout: '30s', etcdReadycheckTimeout: '30s' });
      await one.cut();
      await eventually(() => !server.ready(), 'a server without a store');
      let told = 0;
      const asked = ['/readyz', '/livez', '/healthz', '/readyz/etcd-readiness'].map((path) => ask(path).finally(() => (told += 1)));
      expect(await ask('/livez?exclude=etcd&verbose')).toContain('[+]etcd excluded: ok');
      expect(await ask('/readyz/ping')).toBe('ok');
      expect(told).toBe(0);
      await one.listen(Number(new URL(address).port));
      expect(await Promise.all(asked)).toEqual(['ok', 'ok', 'ok', 'ok']);
    });

    it('fail once it has been away for as long as they wait', async () => {
      const { wire: one, address } = await wire();
      await serve([address], { etcdHealthcheckTimeout: '50ms', etcdReadycheckTimeout: '10ms' });
      await one.cut();
      await eventually(() => !server.ready(), 'a server without a store');
      expect(await ask('/livez')).toContain('[-]etcd failed: reason withheld\n');
      expect(await ask('/readyz')).toContain('[-]etcd failed: reason withheld\n[-]etcd-readiness failed: reason withheld\n');
      expect(await ask('/readyz/etcd')).toBe('internal server error: the store cannot be watched\n');
    });
  });
});

/** Watches of the store over it say nothing new from `stall` to `flow`. */
function stallingWatches(channel: Channel): { channel: Channel; stall(): void; flow(): void } {
  let gate = Promise.resolve();
  let flow = (): void => undefined;
  async function* late(answers: AsyncIterable<unknown>): AsyncGenerator<unknown> {
    for await (const answer of answers) {
      await gate;
      yield answer;
    }
  }
  return {
    channel: {
      ...channel,
      call: (definition, method, input, options) => {
        const answers = channel.call(definition, method, input, options);
        return definition.fullName === 'etcdserverpb.Watch' ? late(answers as AsyncIterable<unknown>) : answers;
      },
      close: () => channel.close(),
    },
    stall: () => void (gate = new Promise((resolve) => (flow = resolve))),
    flow: () => flow(),
  };
}

it('a consistent list that the cache is late for is read from the store; one of the cache is as old as it is', async () => {
  const env = realEnv({ name: 'test', level: 'error' });
  const store = createStore(env, {}, {});
  await store.start();
  const { channel, stall, flow } = stallingWatches(store.channel());
  const [late, other] = [createApiServer(env, { store: channel, plugins: [] }, {}), createApiServer(env, { store: store.channel(), plugins: [] }, {})];
  await late.start();
  await other.start();
  stall();
  await other.client(admin).create(ConfigMaps, { metadata: { name: 'new', namespace: 'default' }, data: { a: 'b' } });
  const names = async (options: object): Promise<unknown[]> => (await late.client(admin).list(ConfigMaps, options)).items.map(({ metadata }) => metadata?.name);
  expect(await names({ namespace: 'default' })).toEqual(['new']);
  expect(await names({ namespace: 'default', limit: 5 })).toEqual(['new']);
  expect(await names({ resourceVersion: '0' })).toEqual([]);
  flow();
  for (const one of [late, other, store]) await one.stop();
});

describe('what clients are told', () => {
  it.each([
    [14, 'etcdserver: request timed out', { code: 500, message: 'etcdserver: request timed out' }],
    [14, 'etcdserver: leader changed', { code: 500, message: 'etcdserver: leader changed' }],
    [8, 'etcdserver: mvcc: database space exceeded', { code: 500, message: 'etcdserver: mvcc: database space exceeded' }],
    [3, 'etcdserver: request is too large', { code: 500, message: 'etcdserver: request is too large' }],
    [11, 'etcdserver: mvcc: required revision has been compacted', { code: 410, reason: 'Expired' }],
    [4, 'Deadline exceeded', { code: 504, reason: 'Timeout', message: 'Timeout: request did not complete within requested timeout - context deadline exceeded' }],
    [14, 'No connection established. Last error: x', { code: 503, reason: 'ServiceUnavailable' }],
  ] as const)('code %i, %s', (code, message, status) => {
    const told = toStorageError(new RpcError(code, message));
    expect({ ...told.status }).toMatchObject(status);
    if (status.code === 500) expect(told.status).not.toHaveProperty('reason');
  });

  it('of a write that may have happened: no invitation to repeat it', () => {
    const told = unknownOutcomeError(new RpcError(14, 'Connection dropped')).status;
    expect(told).toMatchObject({ code: 500, message: 'rpc error: code = Unavailable desc = Connection dropped' });
    expect(told.details?.retryAfterSeconds).toBeUndefined();
  });
});
