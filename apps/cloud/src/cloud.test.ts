import { LoadBalancersDefinition } from '@orrery/proto/cloud';
import { createClient } from '@orrery/rpc';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { createAddressPool } from './address-pool.ts';
import { type BalancerNetwork, createCloud } from './component.ts';
import { cloudSchema } from './config.ts';

const env = { clock: new VirtualClock(), random: seededRandom(1), log: silentLogger, metrics: createMetrics() };

function fakeNetwork(deny: (host: string, port: number) => boolean = () => false) {
  const dialled: string[] = [];
  const open = new Map<string, () => Promise<unknown>>();
  const network: BalancerNetwork = {
    listen({ host, port }, dial) {
      if (deny(host, port)) return Promise.reject(Object.assign(new Error(`listen EACCES ${host}:${port}`), { code: 'EACCES' }));
      const endpoint = `${host}:${port || 40001}`;
      open.set(endpoint, dial);
      return Promise.resolve({ endpoint, close: () => Promise.resolve(void open.delete(endpoint)) });
    },
    listenUdp({ host, port }, pick) {
      open.set(`udp ${host}:${port}`, () => Promise.resolve(pick()));
      return Promise.resolve({ endpoint: `${host}:${port}`, close: () => Promise.resolve() });
    },
    dial({ ip, port }) {
      dialled.push(`${ip}:${port}`);
      return Promise.reject(new Error('refused'));
    },
  };
  return { network, open, dialled };
}

function cloudOver(network: BalancerNetwork, saved?: { text: string | undefined }) {
  const state = saved && { load: () => saved.text, save: (text: string) => void (saved.text = text) };
  const cloud = createCloud(env, { network, ...(state ? { state } : {}) }, resolveConfig(cloudSchema, [{}]));
  return { cloud, client: createClient(LoadBalancersDefinition, cloud.channel()) };
}

const http = { name: 'http', protocol: 'TCP', port: 80, targets: [{ address: '10.240.0.11', port: 30080 }, { address: '10.240.0.12', port: 30080 }] };

describe('load balancers', () => {
  it('listen on an address of their own and try every target', async () => {
    const { network, open, dialled } = fakeNetwork();
    const { client } = cloudOver(network);
    const a = await client.ensure({ name: 'a', listeners: [http] });
    const b = await client.ensure({ name: 'b', listeners: [http] });
    expect([a.address, b.address]).toEqual(['127.77.0.1', '127.77.0.2']);
    expect([...open.keys()]).toEqual(['127.77.0.1:80', '127.77.0.2:80']);
    await expect(open.get('127.77.0.1:80')?.()).rejects.toThrow('refused');
    expect(dialled).toEqual(['10.240.0.11:30080', '10.240.0.12:30080']);
  });

  it('pass datagrams to the targets in turn', async () => {
    const { network, open } = fakeNetwork();
    await cloudOver(network).client.ensure({ name: 'a', listeners: [{ ...http, protocol: 'UDP', port: 53 }] });
    const pick = open.get('udp 127.77.0.1:53');
    expect([await pick?.(), await pick?.()]).toEqual([{ ip: '10.240.0.11', port: 30080 }, { ip: '10.240.0.12', port: 30080 }]);
  });

  it('fall back to another port where the machine refuses theirs', async () => {
    const { network } = fakeNetwork((_host, port) => port === 80);
    const { client } = cloudOver(network);
    expect((await client.ensure({ name: 'a', listeners: [http] })).listeners?.[0]?.hostEndpoint).toBe('127.77.0.1:40001');
  });

  it('say why they do not listen when nothing is allowed', async () => {
    const { client } = cloudOver(fakeNetwork(() => true).network);
    expect((await client.ensure({ name: 'a', listeners: [http] })).listeners?.[0]).toMatchObject({ hostEndpoint: '', error: 'listen EACCES 127.0.0.1:0' });
  });

  it('follow changes and go away', async () => {
    const { network, open } = fakeNetwork();
    const { client } = cloudOver(network);
    await client.ensure({ name: 'a', listeners: [http] });
    await client.ensure({ name: 'a', listeners: [{ ...http, port: 81 }] });
    expect([...open.keys()]).toEqual(['127.77.0.1:81']);
    await client.delete({ name: 'a' });
    expect(open.size).toBe(0);
    await expect(client.get({ name: 'a' })).rejects.toMatchObject({ code: 5 });
    await expect(client.delete({ name: 'a' })).resolves.toEqual({});
  });

  it('keep their address over a restart', async () => {
    const saved: { text: string | undefined } = { text: undefined };
    const first = cloudOver(fakeNetwork().network, saved);
    await first.client.ensure({ name: 'x', listeners: [] });
    await first.client.ensure({ name: 'y', listeners: [http] });
    const again = fakeNetwork();
    const second = cloudOver(again.network, saved);
    await second.cloud.start();
    expect((await second.client.get({ name: 'y' })).address).toBe('127.77.0.2');
    expect([...again.open.keys()]).toEqual(['127.77.0.2:80']);
  });

  it('refuse an address that is taken or not theirs', async () => {
    const { client } = cloudOver(fakeNetwork().network);
    await client.ensure({ name: 'a', listeners: [], address: '127.77.0.9' });
    await expect(client.ensure({ name: 'b', listeners: [], address: '127.77.0.9' })).rejects.toMatchObject({ code: 9 });
    await expect(client.ensure({ name: 'c', listeners: [], address: '8.8.8.8' })).rejects.toMatchObject({ code: 9 });
  });
});

it.each(['127.77.0.0', 'x/8', '1.2.3.4/33'])('refuses the range %s', (range) => expect(() => createAddressPool(range)).toThrow('not an IPv4 range'));
