import { ConfigMaps } from '@orrery/api';
import { createGrpcApiClient } from '@orrery/client';
import { forbidden } from '@orrery/errors';
import { grpcChannel } from '@orrery/rpc';
import { expect, it } from 'vitest';
import type { PluginFactory } from '../src/pipeline/index.ts';
import { losesLeaders } from './stores.ts';
import { eventually, startTestServer } from './test-server.ts';

/** Holds every write of the operation until it is let go. */
function gate(operation: 'CREATE' | 'DELETE'): { plugin: PluginFactory; waiting: () => number; open: () => void } {
  const held: (() => void)[] = [];
  let isOpen = false;
  const plugin: PluginFactory = () => ({
    admission: [{
      name: 'Gate',
      handles: ({ kind, operation: given }) => kind.resource === 'configmaps' && given === operation,
      validate: () => (isOpen ? undefined : new Promise<void>((resolve) => held.push(resolve))),
    }],
  });
  return {
    plugin,
    waiting: () => held.length,
    open() {
      isOpen = true;
      for (const resolve of held.splice(0)) resolve();
    },
  };
}

const key = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name });

it('a collection is no further deleted when the client has gone; what is deleted stays deleted', async () => {
  const { plugin, waiting, open } = gate('DELETE');
  const t = await startTestServer({}, { plugins: [plugin] });
  try {
    for (let i = 0; i < 60; i++) await t.api.create(ConfigMaps, { metadata: key(`c${i}`) });
    const leaving = new AbortController();
    const asked = fetch(`${t.url}/api/v1/namespaces/default/configmaps`, { method: 'DELETE', signal: leaving.signal }).catch((error: Error) => error.name);
    await eventually(() => waiting() === 16, 'the first deletions');
    leaving.abort();
    expect(await asked).toBe('AbortError');
    await eventually(() => t.server.core.traffic.inFlight === 1);
    // The server hears of it by the connection's end.
    await new Promise((resolve) => setTimeout(resolve, 100));
    open();
    await eventually(() => t.server.core.traffic.inFlight === 0, 'the end of the request');
    const left = (await t.api.list(ConfigMaps, { namespace: 'default' })).items.length;
    expect(left).toBeGreaterThanOrEqual(60 - 16);
    // The store may refuse one whose leader dies.
    if (!losesLeaders()) expect(left).toBe(60 - 16);
  } finally {
    await t.stop();
  }
});

it('deletion of a collection answers when its last deletion has ended, also when one is refused', async () => {
  const { plugin, waiting, open } = gate('DELETE');
  const refusing: PluginFactory = () => ({
    admission: [{
      name: 'Refusing',
      handles: ({ kind, operation }) => kind.resource === 'configmaps' && operation === 'DELETE',
      validate({ name }) {
        if (name === 'c3') throw forbidden({ group: '', resource: 'configmaps', name }, 'kept');
      },
    }],
  });
  const t = await startTestServer({}, { plugins: [refusing, plugin] });
  try {
    for (let i = 0; i < 8; i++) await t.api.create(ConfigMaps, { metadata: key(`c${i}`) });
    let answered: number | undefined;
    const asked = fetch(`${t.url}/api/v1/namespaces/default/configmaps`, { method: 'DELETE' }).then(({ status }) => (answered = status));
    await eventually(() => waiting() === 7, 'the other deletions');
    await t.api.get(ConfigMaps, key('c0'));
    expect(answered).toBeUndefined();
    open();
    await asked;
    expect(answered).toBe(403);
    expect((await t.api.list(ConfigMaps, { namespace: 'default' })).items.map(({ metadata }) => metadata?.name)).toContain('c3');
  } finally {
    open();
    await t.stop();
  }
});

it('a stopping server finishes the calls of gRPC, ends its watches, and begins nothing more', async () => {
  const { plugin, waiting, open } = gate('CREATE');
  const t = await startTestServer({ grpcPort: 0 }, { plugins: [plugin] });
  const channel = grpcChannel(`127.0.0.1:${t.server.grpcPort}`);
  const remote = createGrpcApiClient(channel, { env: t.env });
  try {
    const ends: (Error | undefined)[] = [];
    remote.watch(ConfigMaps, { namespace: 'default' }, { events: () => undefined, closed: (error) => ends.push(error) });
    await eventually(() => t.server.core.traffic.longRunning === 1, 'the watch');
    const created = remote.create(ConfigMaps, { metadata: key('late') });
    await eventually(() => waiting() === 1, 'the write');
    const stopped = t.server.stop();
    await eventually(() => ends.length === 1, 'the end of the watch');
    expect(ends).toEqual([undefined]);
    await expect(remote.get(ConfigMaps, key('late'))).rejects.toMatchObject({ status: { code: 503 } });
    open();
    expect((await created).metadata?.name).toBe('late');
    await stopped;
  } finally {
    await remote.close();
    channel.close();
    await t.stop();
  }
});
