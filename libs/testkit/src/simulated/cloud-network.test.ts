import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { createFabric } from '@orrery/vnet';
import { expect, it } from 'vitest';
import { simulatedBalancers } from './cloud-network.ts';

const balancer = { host: '10.250.0.1', port: 80 };
const target = { ip: '10.240.0.20', port: 8080 };

function world() {
  const clock = new VirtualClock();
  const infra = createFabric({ clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() }).addSwitch({ node: 'infra', nodeIp: '10.240.0.2' });
  const server = infra.attach({ ips: [target.ip] }).stack;
  const client = infra.attach({ ips: ['10.240.0.30'] }).stack;
  return { clock, server, client, ...simulatedBalancers(infra, { clock, ip: '10.240.0.90' }) };
}

it('carries connections from the balancer\'s address to a target, until it listens no more', async () => {
  const { server, client, network } = world();
  server.listen({ ip: '', port: target.port }, (conn) => void conn.read().then((bytes) => conn.write(Buffer.from(`you said ${Buffer.from(bytes ?? [])}`)), () => conn.close()));
  const [http, tcp] = [await network.listenHttp(balancer, () => network.dial(target)), await network.listen({ ...balancer, port: 81 }, () => network.dial(target))];
  expect([http.endpoint, tcp.endpoint]).toEqual(['10.250.0.1:80', '10.250.0.1:81']);
  const conn = await client.dial({ ip: balancer.host, port: 80 });
  await conn.write(Buffer.from('hello'));
  expect(String(Buffer.from((await conn.read()) ?? []))).toBe('you said hello');
  await http.close();
  await expect(client.dial({ ip: balancer.host, port: 80 })).rejects.toThrow();
  await client.dial({ ip: balancer.host, port: 81 });
  await tcp.close();
  await network.listen(balancer, () => network.dial(target));
});

it('ends a connection whose target does not answer', async () => {
  const { client, network } = world();
  await network.listen(balancer, () => network.dial(target));
  const conn = await client.dial({ ip: balancer.host, port: 80 });
  await expect(conn.read()).rejects.toThrow('connection reset by peer');
});

it('carries datagrams there and back, and forgets who sends no more', async () => {
  const { clock, server, client, network } = world();
  const senders = new Set<number>();
  const echo = server.udp({ ip: '', port: 53 }, (bytes, from) => {
    senders.add(from.port);
    echo.send(bytes, from);
  });
  await network.listenUdp(balancer, () => ({ ip: target.ip, port: 53 }));
  const heard: string[] = [];
  const socket = client.udp({ ip: '', port: 0 }, (bytes) => heard.push(String(Buffer.from(bytes))));
  const say = async (text: string, waitMs: number): Promise<void> => {
    socket.send(Buffer.from(text), { ip: balancer.host, port: 80 });
    await clock.advance(waitMs);
  };
  await say('one', 1_000);
  await say('two', 200_000);
  await say('three', 1_000);
  expect(heard).toEqual(['one', 'two', 'three']);
  expect(senders.size).toBe(2);
});
