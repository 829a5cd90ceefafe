import { ProcessFaults } from '@orrery/chaos';
import { type GrpcServer, grpcChannel, grpcServer } from '@orrery/rpc';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { type Fabric, type NetStack, createFabric } from '@orrery/vnet';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createPeerLinks, linkService } from './index.ts';

/** The faults' own time: what is late is late by it; sockets take as long as they take. */
const clock = new VirtualClock();
const env = { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };

interface Node {
  readonly fabric: Fabric;
  readonly pod: NetStack;
  readonly server: GrpcServer;
  readonly links: ReturnType<typeof createPeerLinks>;
  readonly endpoint: string;
  /** What its process is told is wrong with it. */
  readonly faults: ProcessFaults;
}

async function startNode(node: string, nodeIp: string, podIp: string): Promise<Node> {
  const fabric = createFabric(env);
  const netSwitch = fabric.addSwitch({ node, nodeIp });
  const links = createPeerLinks({ fabric, clock, node, connect: (endpoint) => grpcChannel(endpoint) });
  const server = grpcServer([linkService(fabric, clock)]);
  const port = await server.listen('127.0.0.1:0');
  const faults = new ProcessFaults();
  faults.followLinks(fabric.faults);
  return { fabric, pod: netSwitch.attach({ ips: [podIp] }).stack, server, links, endpoint: `127.0.0.1:${port}`, faults };
}

let a: Node;
let b: Node;
beforeEach(async () => {
  a = await startNode('a', '10.240.0.1', '10.244.0.2');
  b = await startNode('b', '10.240.0.2', '10.244.1.2');
  const peers = [
    { node: 'a', addresses: ['10.240.0.1', '10.244.0.0/24'], endpoint: a.endpoint },
    { node: 'b', addresses: ['10.240.0.2', '10.244.1.0/24'], endpoint: b.endpoint },
  ];
  for (const { links } of [a, b]) links.setPeers(peers);
});
afterEach(async () => {
  for (const { links, server } of [a, b]) {
    links.close();
    await server.stop();
  }
});

const tell = (...faults: Parameters<ProcessFaults['apply']>[0]['faults']): void => [a, b].forEach((node) => node.faults.apply({ revision: '1', faults }));
const to = { ip: '10.244.1.2', port: 80 };

it('processes that are told to cut their link open no connection and pass nothing on one that is open, until they are told otherwise', async () => {
  const got: string[] = [];
  b.pod.listen({ ip: '', port: 80 }, (conn) => {
    const read = async (): Promise<void> => {
      for (let bytes = await conn.read(); bytes; bytes = await conn.read()) got.push(Buffer.from(bytes).toString());
    };
    read().catch((error: Error) => got.push(error.message));
  });
  const conn = await a.pod.dial(to);
  await conn.write(Buffer.from('before'));
  await vi.waitFor(() => expect(got).toEqual(['before']), { timeout: 60_000 });
  tell({ id: 'cut', link: { from: 'a', to: 'b' } });
  const refused = a.pod.dial(to, { timeoutMs: 5_000 }).then(() => 'connected', (error: { code: string }) => error.code);
  const during = conn.write(Buffer.from('during'));
  await clock.advance(5_000);
  expect(await refused).toBe('ETIMEDOUT');
  expect(got).toEqual(['before']);
  tell();
  await vi.waitFor(async () => {
    await clock.advance(200);
    expect(got.join(' ')).toBe('before during');
  }, { timeout: 60_000 });
  await during;
  const again = await a.pod.dial(to);
  again.close();
  conn.close();
}, 180_000);
