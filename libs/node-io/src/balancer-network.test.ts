import { expect, it } from 'vitest';
import { seenAs } from './balancer-network.ts';

it.each([
  ['127.0.0.1', '10.240.0.11', '198.18.0.1'],
  ['127.0.0.9', '10.240.0.11', '198.18.0.9'],
  ['127.1.2.3', '10.240.0.11', '198.19.2.3'],
  ['::ffff:127.0.0.1', '10.240.0.11', '198.18.0.1'],
  ['192.168.7.9', '10.240.0.11', '192.168.7.9'],
  ['2001:db8::7', 'fd00:10:240::b', '2001:db8::7'],
  ['::1', 'fd00:10:240::b', undefined],
  ['127.0.0.1', 'fd00:10:240::b', undefined],
  ['2001:db8::7', '10.240.0.11', undefined],
  ['', '10.240.0.11', undefined],
])('a client at %j is seen by %s as %s', (client, target, seen) => {
  expect(seenAs({ ip: client, port: 50_000 }, { ip: target, port: 80 })).toEqual(seen && { ip: seen, port: 50_000 });
});
