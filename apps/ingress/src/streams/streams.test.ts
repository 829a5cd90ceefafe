import type { Endpoint } from '@orrery/vnet';
import { expect, it } from 'vitest';
import { testEnv, world } from '../testing/world.ts';
import { readStreams } from './plan.ts';
import { Streams } from './streams.ts';

it('reads ConfigMaps of TCP and UDP services', () => {
  const { streams, problems } = readStreams('TCP', { '9000': 'd/db:5432', '9001': 'd/db:named', '80': 'd/web:80', x: 'd/db:1', '70000': 'd/db:1', '9002': 'db:1', '9003': 'd/db:1:PROXY' }, [80]);
  expect(streams.map(({ port, backend }) => `${port} ${backend.namespace}/${backend.service}:${backend.port}`)).toEqual(['9000 d/db:5432', '9001 d/db:named']);
  expect(problems).toEqual(['port 80 cannot be used for TCP stream services: it is reserved for the Ingress controller', '9002: "db:1" is not namespace/name:port', '9003: the PROXY protocol is not supported', '70000 is not a valid TCP port number', 'x is not a valid TCP port number']);
});

it('listens on these ports and no others, and takes the next endpoint when one refuses', async () => {
  const open = new Map<string, (client: Endpoint) => unknown>();
  const dialled: string[] = [];
  const failed: string[] = [];
  const listening = (name: string, answer: (client: Endpoint) => unknown) => {
    if (name.endsWith(':1')) return Promise.reject(new Error('listen EACCES'));
    open.set(name, answer);
    return Promise.resolve({ close: () => Promise.resolve(void open.delete(name)) });
  };
  const streams = new Streams(testEnv(), {
    host: 'h',
    backends: world([], { endpoints: { db: ['10.0.0.1', '10.0.0.2'] } }),
    failed: ({ port }, message) => void failed.push(`${port} ${message}`),
    network: {
      listen: ({ host, port }, dial) => listening(`tcp ${host}:${port}`, dial),
      listenUdp: ({ host, port }, pick) => listening(`udp ${host}:${port}`, pick),
      dial: (to) => (dialled.push(to.ip), Promise.reject(new Error('refused'))),
    },
  });
  const backend = { namespace: 'd', service: 'db', port: '80' };
  await streams.set([{ protocol: 'TCP', port: 9000, backend }, { protocol: 'UDP', port: 9000, backend }, { protocol: 'TCP', port: 1, backend }]);
  expect([...open.keys(), ...failed]).toEqual(['tcp h:9000', 'udp h:9000', '1 listen EACCES']);
  const client = { ip: '127.0.0.1', port: 5 };
  await expect(open.get('tcp h:9000')?.(client)).rejects.toThrow('refused');
  expect(dialled).toEqual(['10.0.0.1', '10.0.0.2']);
  expect([1, 2].map(() => (open.get('udp h:9000')?.(client) as Endpoint).ip)).toEqual(['10.0.0.1', '10.0.0.2']);
  // The port stays, and leads elsewhere.
  await streams.set([{ protocol: 'TCP', port: 9000, backend: { ...backend, service: 'other' } }]);
  dialled.length = 0;
  await expect(open.get('tcp h:9000')?.(client)).rejects.toThrow('refused');
  expect([[...open.keys()], dialled]).toEqual([['tcp h:9000'], ['other']]);
  await streams.set([]);
  expect(open.size).toBe(0);
});
