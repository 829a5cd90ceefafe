import { expect, it } from 'vitest';
import { statusEntries } from './status.ts';

it.each([
  ['127.0.0.1', [{ ip: '127.0.0.1' }]],
  ['192.0.2.1, 2001:db8::1,edge.example.com', [{ ip: '192.0.2.1' }, { ip: '2001:db8::1' }, { hostname: 'edge.example.com' }]],
  ['localhost', [{ hostname: 'localhost' }]],
])('the status of Ingresses for %j', (addresses, entries) => {
  expect(statusEntries(addresses)).toEqual(entries);
});

it.each(['192.0.2.300', '192.0.2.1,', 'no_host', 'a b', '::g'])('%j is refused', (addresses) => {
  expect(() => statusEntries(addresses)).toThrow(/is neither an IP address nor a host name/);
});
