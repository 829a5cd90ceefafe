import { ConfigMaps } from '@orrery/api';
import { createGrpcApiClient } from '@orrery/client';
import { grpcChannel } from '@orrery/rpc';
import { expect, it } from 'vitest';
import type { PluginFactory } from '../src/pipeline/index.ts';
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
    expect(left).toBe(60 - 16);
  } finally {
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
