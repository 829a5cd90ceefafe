import { describe, expect, it } from 'vitest';
import { spreadChannel } from './endpoints.ts';
import { Code, RpcError } from './rpc-error.ts';
import type { Channel, MethodDefinition } from './service.ts';

interface Fake extends Channel {
  calls: number;
  failure: RpcError | undefined;
}

const away = new RpcError(Code.UNAVAILABLE, 'No connection established. Last error: connect ECONNREFUSED');
const broken = new RpcError(Code.UNAVAILABLE, 'Connection dropped');

function fake(name: string): Fake {
  return {
    calls: 0,
    failure: undefined,
    call(_definition, method) {
      this.calls += 1;
      const { failure } = this;
      if (!method.responseStream) return failure ? Promise.reject(failure) : Promise.resolve(name);
      return (async function* () {
        yield name;
        if (failure) throw failure;
      })();
    },
    close: () => undefined,
  };
}

const method = (stream: boolean) => ({ name: 'M', requestStream: false, responseStream: stream }) as unknown as MethodDefinition;
const once = (channel: Channel): Promise<unknown> => channel.call({ fullName: 'S', methods: {} } as never, method(false), {}, {}) as Promise<unknown>;
const stream = (channel: Channel): AsyncIterable<unknown> => channel.call({ fullName: 'S', methods: {} } as never, method(true), {}, {}) as AsyncIterable<unknown>;

async function* failing(): AsyncIterable<unknown> {
  await Promise.reject(away);
}

describe('spreadChannel', () => {
  const setup = () => {
    const servers = [fake('a'), fake('b'), fake('c')];
    const clock = { at: 0, chance: 0.5 };
    return { servers, clock, channel: spreadChannel(servers, { now: () => clock.at, random: { next: () => clock.chance } }) };
  };

  it('is the channel itself when there is one', () => {
    const one = fake('a');
    expect(spreadChannel([one], { now: () => 0, random: { next: () => 0 } })).toBe(one);
  });

  it('takes turns', async () => {
    const { channel } = setup();
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push(await once(channel));
    expect([...answers].sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
    expect(answers.slice(0, 3)).toEqual(answers.slice(3));
  });

  it('passes by a server that is away, asks it again after a pause that grows, and takes it back', async () => {
    const { channel, servers, clock } = setup();
    const [, b] = servers;
    if (b) b.failure = away;
    for (let i = 0; i < 9; i++) expect(['a', 'c']).toContain(await once(channel));
    expect(b?.calls).toBe(1);
    clock.at = 600;
    for (let i = 0; i < 9; i++) await once(channel);
    expect(b?.calls).toBe(2);
    clock.at = 1500;
    for (let i = 0; i < 9; i++) await once(channel);
    expect(b?.calls).toBe(2);
    if (b) b.failure = undefined;
    clock.at = 1700;
    const answers = new Set<unknown>();
    for (let i = 0; i < 9; i++) answers.add(await once(channel));
    expect(answers).toEqual(new Set(['a', 'b', 'c']));
  });

  it('pauses a fifth less or more, as chance has it', async () => {
    for (const [chance, notBefore, from] of [[0, 399, 400], [0.999_999, 598, 600]] as const) {
      const { channel, servers, clock } = setup();
      const [, b] = servers;
      if (b) b.failure = away;
      clock.chance = chance;
      for (let i = 0; i < 9; i++) await once(channel);
      clock.at = notBefore;
      for (let i = 0; i < 9; i++) await once(channel);
      expect(b?.calls, `${chance}`).toBe(1);
      clock.at = from;
      for (let i = 0; i < 9; i++) await once(channel);
      expect(b?.calls, `${chance}`).toBe(2);
    }
  });

  it('passes by a server that owes answers and gives none, until it does', async () => {
    const { channel, servers, clock } = setup();
    const [, b] = servers;
    if (!b) throw new Error('there are three');
    const owed: (() => void)[] = [];
    const { call } = b;
    b.call = function (this: Fake) {
      this.calls += 1;
      return new Promise((resolve) => void owed.push(() => resolve('b')));
    };
    const begun: Promise<unknown>[] = [];
    for (let i = 0; i < 9; i++) begun.push(once(channel));
    expect(b.calls).toBe(3);
    clock.at = 1499;
    for (let i = 0; i < 3; i++) begun.push(once(channel));
    expect(b.calls).toBe(4);
    await Promise.all(begun.filter((_, i) => i % 3 !== 0));
    clock.at = 1500;
    for (let i = 0; i < 9; i++) expect(['a', 'c']).toContain(await once(channel));
    expect(b.calls).toBe(4);
    // One word of it is enough.
    owed.shift()?.();
    await begun[0];
    await Promise.resolve();
    b.call = call;
    const answers = new Set<unknown>();
    for (let i = 0; i < 3; i++) answers.add(await once(channel));
    expect(answers).toEqual(new Set(['a', 'b', 'c']));
    for (const answer of owed) answer();
    await Promise.all(begun);
  });

  it('asks where nobody answers all the same', async () => {
    const { channel, servers, clock } = setup();
    for (const server of servers) server.call = () => new Promise(() => undefined);
    for (let i = 0; i < 3; i++) void once(channel);
    clock.at = 10_000;
    let calls = 0;
    for (const server of servers) {
      server.call = () => {
        calls += 1;
        return Promise.resolve('late');
      };
    }
    expect(await once(channel)).toBe('late');
    expect(calls).toBe(1);
  });

  it('never repeats a call that may have been carried out', async () => {
    const { channel, servers } = setup();
    for (const server of servers) server.failure = broken;
    await expect(once(channel)).rejects.toBe(broken);
    expect(servers.map(({ calls }) => calls).reduce((a, b) => a + b)).toBe(1);
  });

  it('tries all that are away before it gives up', async () => {
    const { channel, servers } = setup();
    for (const server of servers) server.failure = away;
    await expect(once(channel)).rejects.toBe(away);
    expect(servers.map(({ calls }) => calls)).toEqual([1, 1, 1]);
  });

  it('begins the next stream elsewhere', async () => {
    const { channel, servers } = setup();
    const seen: unknown[] = [];
    for (const server of servers) server.failure = broken;
    for (let i = 0; i < 3; i++) {
      await expect((async () => {
        for await (const message of stream(channel)) seen.push(message);
      })()).rejects.toBe(broken);
    }
    expect([...seen].sort()).toEqual(['a', 'b', 'c']);
  });

  it('begins a stream that never left this machine elsewhere at once', async () => {
    const { channel, servers } = setup();
    const [a, b] = servers;
    for (const server of [a, b]) if (server) Object.assign(server, { call: () => (server.calls++, failing()) });
    for (let i = 0; i < 3; i++) {
      const seen: unknown[] = [];
      for await (const message of stream(channel)) seen.push(message);
      expect(seen).toEqual(['c']);
    }
    expect([a?.calls, b?.calls]).toEqual([1, 1]);
  });

  it('gives calls to a server that was away only once it could be connected to', async () => {
    const { channel, servers, clock } = setup();
    const [, b] = servers;
    const attempts: { resolve: () => void; reject: (error: Error) => void }[] = [];
    if (b) Object.assign(b, { failure: away, connected: () => new Promise<void>((resolve, reject) => attempts.push({ resolve, reject })) });
    const rounds = async (): Promise<Set<unknown>> => {
      const answers = new Set<unknown>();
      for (let i = 0; i < 9; i++) answers.add(await once(channel));
      return answers;
    };
    expect(await rounds()).toEqual(new Set(['a', 'c']));
    if (b) b.failure = undefined;
    clock.at = 600;
    expect(await rounds()).toEqual(new Set(['a', 'c']));
    expect(attempts).toHaveLength(1);
    attempts[0]?.reject(new Error('it hangs'));
    await Promise.resolve();
    clock.at = 1500;
    expect(await rounds()).toEqual(new Set(['a', 'c']));
    expect(attempts).toHaveLength(1);
    clock.at = 1700;
    expect(await rounds()).toEqual(new Set(['a', 'c']));
    expect(attempts).toHaveLength(2);
    attempts[1]?.resolve();
    await Promise.resolve();
    expect(await rounds()).toEqual(new Set(['a', 'b', 'c']));
  });
});
