import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type Server, createServer } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import { dial } from './dial.ts';
import { ensurePki } from './pki/index.ts';

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

async function serve(altNames: { dnsNames?: string[]; ipAddresses?: string[] }): Promise<{ port: number; ca: string }> {
  const pki = ensurePki(undefined);
  const { cert, key } = pki.servingCert('server', { subject: { commonName: 'server' }, altNames });
  const server = createServer({ cert, key }, (socket) => socket.on('error', () => undefined).end());
  servers.push(server.on('tlsClientError', () => undefined).listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, ca: pki.caCert };
}

it.each<[string, { dnsNames?: string[]; ipAddresses?: string[] }, string | undefined, string]>([
  ['another name', { dnsNames: ['a.b', 'c.d'] }, 'x.y', 'certificate is valid for a.b, c.d, not x.y'],
  ['no address', { dnsNames: ['a.b'] }, undefined, "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"],
  ['another address', { ipAddresses: ['10.0.0.1'] }, undefined, 'certificate is valid for 10.0.0.1, not 127.0.0.1'],
  ['an address for a name', { ipAddresses: ['10.0.0.1'] }, 'x.y', 'certificate is not valid for any names, but wanted to match x.y'],
])('a certificate for %s is told in the words of Go', async (_what, altNames, serverName, why) => {
  const { port, ca } = await serve(altNames);
  await expect(dial({ host: '127.0.0.1', port, tls: { ca, ...(serverName ? { serverName } : {}) } })).rejects.toThrow(`tls: failed to verify certificate: x509: ${why}`);
});

it('a certificate of another authority is told in the words of Go', async () => {
  const { port } = await serve({ ipAddresses: ['127.0.0.1'] });
  await expect(dial({ host: '127.0.0.1', port, tls: { ca: ensurePki(undefined).caCert } })).rejects.toThrow('tls: failed to verify certificate: x509: certificate signed by unknown authority');
});
