import { execFileSync } from 'node:child_process';
import { X509Certificate, createPublicKey } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TLSSocket, connect, createServer } from 'node:tls';
import { parse } from 'yaml';
import { afterEach, describe, expect, it } from 'vitest';
import { certificateSubject, createCsr, ensurePki, generateKey, parseCsr, signCsr, verifyCertificate } from './index.ts';

const dirs: string[] = [];
function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'orrery-pki-'));
  dirs.push(dir);
  return dir;
}
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true });
});

const day = 86_400_000;

describe('ensurePki', () => {
  it('keeps identities across restarts and files private', () => {
    const dir = join(tempDir(), 'pki');
    const first = ensurePki(dir);
    const admin = first.clientCert('admin', ['system:masters']);
    const second = ensurePki(dir);
    expect([second.caCert, second.serverCert, second.saKey]).toEqual([first.caCert, first.serverCert, first.saKey]);
    expect(second.clientCert('admin', ['system:masters'])).toEqual(admin);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(dir)) expect(statSync(join(dir, file)).mode & 0o777, file).toBe(0o600);
    expect(readdirSync(dir)).not.toContain('.lock');
  });

  it('issues a new leaf for other groups, more names, or when its end is near', () => {
    const dir = tempDir();
    const first = ensurePki(dir, { now: () => 0 });
    const admin = first.clientCert('admin', ['a']);
    expect(first.clientCert('admin', ['a', 'b']).cert).not.toBe(admin.cert);
    expect(ensurePki(dir, { now: () => 0, ipAddresses: ['192.0.2.7'] }).serverCert).not.toBe(first.serverCert);
    const later = ensurePki(dir, { now: () => 300 * day });
    expect(later.caCert).toBe(first.caCert);
    expect(later.clientCert('admin', ['a', 'b']).cert).not.toBe(first.clientCert('admin', ['a', 'b']).cert);
  });

  it('writes certificates that carry user, groups and names', () => {
    const pki = ensurePki(undefined, { dnsNames: ['api.example.org'], ipAddresses: ['192.0.2.7'] });
    expect(certificateSubject(pki.clientCert('system:node:n1', ['system:nodes', 'x']).cert)).toEqual({ commonName: 'system:node:n1', organizations: ['system:nodes', 'x'] });
    const server = new X509Certificate(pki.serverCert);
    for (const name of ['localhost', 'kubernetes.default.svc.cluster.local', 'api.example.org']) expect(server.checkHost(name), name).toBe(name);
    for (const ip of ['127.0.0.1', '::1', '10.96.0.1', '192.0.2.7']) expect(server.checkIP(ip), ip).toBe(ip);
    expect(createPublicKey(pki.saPublicKey).asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  });

  it('verifies chains, times and usages', () => {
    const pki = ensurePki(undefined);
    const other = ensurePki(undefined);
    const { cert } = pki.clientCert('u');
    const nowMs = Date.now();
    expect(verifyCertificate(cert, { caBundle: other.caCert + pki.caCert, nowMs, usage: 'client auth' })).toBeUndefined();
    expect(verifyCertificate(cert, { caBundle: other.caCert, nowMs })).toMatch('unknown authority');
    expect(verifyCertificate(cert, { caBundle: pki.caCert, nowMs: nowMs + 366 * day })).toMatch('expired');
    expect(verifyCertificate(cert, { caBundle: pki.caCert, nowMs, usage: 'server auth' })).toMatch('incompatible key usage');
  });

  it('writes a kubeconfig', () => {
    const pki = ensurePki(undefined);
    const config = parse(pki.kubeconfig({ server: 'https://127.0.0.1:1', user: 'admin', groups: ['system:masters'], namespace: 'x' }));
    expect(Buffer.from(config.clusters[0].cluster['certificate-authority-data'], 'base64').toString()).toBe(pki.caCert);
    expect(config.contexts[0].context).toEqual({ cluster: 'orrery', user: 'admin', namespace: 'x' });
  });

  it('satisfies a mutual TLS handshake and openssl', async () => {
    const pki = ensurePki(undefined);
    const dir = tempDir();
    const client = pki.clientCert('admin', ['system:masters']);
    writeFileSync(join(dir, 'ca.pem'), pki.caCert);
    writeFileSync(join(dir, 'leaf.pem'), pki.serverCert);
    expect(execFileSync('openssl', ['verify', '-x509_strict', '-CAfile', join(dir, 'ca.pem'), join(dir, 'leaf.pem')]).toString()).toMatch('OK');
    const server = createServer({ cert: pki.serverCert, key: pki.serverKey, ca: pki.caCert, requestCert: true, rejectUnauthorized: true });
    const peer = new Promise<TLSSocket>((resolve) => server.once('secureConnection', resolve));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const socket = connect({ port: (server.address() as { port: number }).port, host: '127.0.0.1', ca: pki.caCert, cert: client.cert, key: client.key });
    const accepted = await peer;
    expect(certificateSubject(accepted.getPeerX509Certificate()?.raw as Buffer)).toEqual({ commonName: 'admin', organizations: ['system:masters'] });
    socket.destroy();
    accepted.destroy();
    server.close();
  });
});

describe('signing requests', () => {
  it('are parsed, verified and signed', () => {
    const pki = ensurePki(undefined);
    const { key } = generateKey();
    const altNames = { dnsNames: ['n1'], ipAddresses: ['10.0.0.1', '2001:db8::1'] };
    const request = parseCsr(createCsr({ subject: { commonName: 'system:node:n1', organizations: ['system:nodes'] }, key, altNames }));
    expect(request.subject).toEqual({ commonName: 'system:node:n1', organizations: ['system:nodes'] });
    expect(request.altNames).toMatchObject({ dnsNames: ['n1'], ipAddresses: ['10.0.0.1', '2001:db8:0:0:0:0:0:1'] });
    const nowMs = Date.now();
    const cert = signCsr(request, { issuer: { cert: pki.caCert, key: pki.caKey }, usages: ['digital signature', 'server auth'], notBefore: nowMs, notAfter: nowMs + day });
    expect(verifyCertificate(cert, { caBundle: pki.caCert, nowMs: nowMs + 1000, usage: 'server auth' })).toBeUndefined();
    expect(new X509Certificate(cert).checkIP('2001:db8::1')).toBe('2001:db8::1');
  });

  it('from openssl with an RSA key', () => {
    const dir = tempDir();
    const csr = execFileSync('openssl', ['req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', join(dir, 'k'), '-subj', '/O=dev/O=ops/CN=jane', '-addext', 'subjectAltName=DNS:a.example,email:j@example.org'], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
    const request = parseCsr(csr);
    expect(request.subject).toEqual({ commonName: 'jane', organizations: ['dev', 'ops'] });
    expect(request.altNames).toMatchObject({ dnsNames: ['a.example'], emailAddresses: ['j@example.org'] });
  });

  it('are refused when tampered with or of another type', () => {
    const csr = createCsr({ subject: { commonName: 'jane' }, key: generateKey().key });
    const bytes = Buffer.from(csr.replace(/-----[^-]*-----/g, ''), 'base64');
    bytes[bytes.indexOf('jane')] = 0x4a;
    expect(() => parseCsr(`-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`)).toThrow('signature');
    expect(() => parseCsr('nonsense')).toThrow('PEM block type must be CERTIFICATE REQUEST');
  });
});
