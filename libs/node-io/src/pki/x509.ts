import { type KeyObject, X509Certificate, createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import * as asn from './der.ts';
import { toPem } from './pem.ts';

/** Kubernetes reads the user from the common name and the groups from the organizations. */
export interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** The user's uid, which Kubernetes 1.33 and later reads. */
  readonly uid?: string;
}

export interface AltNames {
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly emailAddresses?: readonly string[];
  readonly uris?: readonly string[];
}

/** A certificate and its private key, both PEM (PKCS #8). */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Key usages by their names in the certificates.k8s.io API. */
export type Usage = 'digital signature' | 'key encipherment' | 'key agreement' | 'cert sign' | 'crl sign' | 'client auth' | 'server auth';

const keyUsageBit: Partial<Record<Usage, number>> = { 'digital signature': 0, 'key encipherment': 2, 'key agreement': 4, 'cert sign': 5, 'crl sign': 6 };
const extendedUsageOid: Partial<Record<Usage, string>> = { 'server auth': '1.3.6.1.5.5.7.3.1', 'client auth': '1.3.6.1.5.5.7.3.2' };

const ecdsaWithSha256 = asn.sequence(asn.oid('1.2.840.10045.4.3.2'));

export function encodeSubject(subject: Subject): Buffer {
  const attribute = (id: string, value: string): Buffer => asn.set(asn.sequence(asn.oid(id), asn.der(asn.Tag.utf8String, Buffer.from(value))));
  const organizations = (subject.organizations ?? []).map((name) => attribute('2.5.4.10', name));
  const uid = subject.uid === undefined ? [] : [attribute(uidAttribute, subject.uid)];
  return asn.sequence(...organizations, attribute('2.5.4.3', subject.commonName), ...uid);
}

/** The sixteen or four bytes of an address. */
function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const words = (part: string): number[] => (part === '' ? [] : part.split(':').map((word) => parseInt(word, 16)));
  const left = words(head);
  const right = tail === undefined ? [] : words(tail);
  const all = tail === undefined ? left : [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

export function encodeAltNames(names: AltNames): Buffer {
  const text = (tag: number, values: readonly string[] = []): Buffer[] => values.map((value) => asn.context(tag, false, Buffer.from(value)));
  const addresses = (names.ipAddresses ?? []).map((address) => asn.context(7, false, addressBytes(address)));
  return asn.sequence(...text(1, names.emailAddresses), ...text(2, names.dnsNames), ...text(6, names.uris), ...addresses);
}

function keyUsage(usages: readonly Usage[]): Buffer | undefined {
  const numbers = usages.map((usage) => keyUsageBit[usage]).filter((bit) => bit !== undefined);
  if (!numbers.length) return undefined;
  const value = numbers.reduce((sum, bit) => sum | (0x80 >> bit), 0);
  return asn.bits(Buffer.from([value]), 7 - Math.max(...numbers));
}

export function extension(id: string, options: { critical: boolean; value: Buffer }): Buffer {
  return asn.sequence(asn.oid(id), ...(options.critical ? [asn.boolean(true)] : []), asn.octets(options.value));
}

const keyId = (spki: Buffer): Buffer => createHash('sha1').update(asn.children(asn.readElement(spki))[1]?.content.subarray(1) ?? spki).digest();

function extensions(request: CertificateRequest, issuerSpki: Buffer): Buffer {
  const { isCa = false, usages, altNames = {} } = request;
  const list = [extension('2.5.29.19', { critical: true, value: isCa ? asn.sequence(asn.boolean(true)) : asn.sequence() })];
  const bits = keyUsage(usages);
  if (bits) list.push(extension('2.5.29.15', { critical: true, value: bits }));
  const extended = usages.map((usage) => extendedUsageOid[usage]).filter((id) => id !== undefined);
  if (extended.length) list.push(extension('2.5.29.37', { critical: false, value: asn.sequence(...extended.map(asn.oid)) }));
  if (Object.values(altNames).some((names) => names.length)) list.push(extension('2.5.29.17', { critical: false, value: encodeAltNames(altNames) }));
  list.push(extension('2.5.29.14', { critical: false, value: asn.octets(keyId(request.publicKey)) }));
  list.push(extension('2.5.29.35', { critical: false, value: asn.sequence(asn.context(0, false, keyId(issuerSpki))) }));
  return asn.context(3, true, asn.sequence(...list));
}

export interface CertificateRequest {
  /** The subject, or its DER (of a signing request, unchanged). */
  readonly subject: Subject | Buffer;
  /** DER SubjectPublicKeyInfo of the certified key. */
  readonly publicKey: Buffer;
  readonly usages: readonly Usage[];
  readonly altNames?: AltNames;
  readonly isCa?: boolean;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Who signs: a CA's certificate (absent: self-signed) and its EC P-256 key. */
export interface Issuer {
  readonly cert?: string;
  readonly key: string;
}

const parsedKeys = new Map<string, KeyObject>();

/** Parsing a private key costs more than signing with it. */
function privateKey(pem: string): KeyObject {
  let key = parsedKeys.get(pem);
  if (!key) parsedKeys.set(pem, (key = createPrivateKey(pem)));
  return key;
}

/** The DER subject of a certificate. */
export function subjectDer(cert: X509Certificate): Buffer {
  const fields = asn.children(asn.children(asn.readElement(cert.raw))[0] as asn.Element);
  const at = fields[0]?.tag === 0xa0 ? 5 : 4;
  return asn.expectTag(fields[at], asn.Tag.sequence, 'a subject').raw;
}

/** Signs a certificate (ECDSA with SHA-256); PEM. */
export function signCertificate(request: CertificateRequest, issuer: Issuer): string {
  const signer = privateKey(issuer.key);
  const issuerCert = issuer.cert ? new X509Certificate(issuer.cert) : undefined;
  const issuerSpki = createPublicKey(signer).export({ type: 'spki', format: 'der' });
  const subject = Buffer.isBuffer(request.subject) ? request.subject : encodeSubject(request.subject);
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x01;
  const body = asn.sequence(
    asn.context(0, true, asn.integer(Buffer.from([2]))),
    asn.integer(serial),
    ecdsaWithSha256,
    issuerCert ? subjectDer(issuerCert) : subject,
    asn.sequence(asn.time(request.notBefore), asn.time(request.notAfter)),
    subject,
    request.publicKey,
    extensions(request, issuerSpki),
  );
  return toPem('CERTIFICATE', asn.sequence(body, ecdsaWithSha256, asn.bits(sign('sha256', body, signer))));
}

/** A fresh ECDSA P-256 key: PEM private key and DER public key. */
export function generateKey(): { readonly key: string; readonly publicKey: Buffer } {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'der' } });
  return { key: pair.privateKey, publicKey: pair.publicKey };
}

/** Reads user and groups from the DER of a Name, organizations in the order of the certificate. */
export function decodeSubject(name: Buffer): Required<Omit<Subject, 'uid'>> {
  let commonName = '';
  const organizations: string[] = [];
  for (const rdn of asn.children(asn.readElement(name))) {
    for (const attribute of asn.children(rdn)) {
      const [type, value] = asn.children(attribute);
      if (!type || !value) continue;
      if (asn.oidText(type) === '2.5.4.3') commonName = value.content.toString('utf8');
      if (asn.oidText(type) === '2.5.4.10') organizations.push(value.content.toString('utf8'));
    }
  }
  return { commonName, organizations };
}

/** Attribute of a subject that holds the user's uid (Kubernetes 1.33). */
const uidAttribute = '1.3.6.1.4.1.57683.2';

/** The user's uid in the subject of a DER certificate; undefined when there is none. Throws when it is there more than once or empty. */
export function certificateUid(cert: Buffer): string | undefined {
  const found: string[] = [];
  for (const rdn of asn.children(asn.readElement(subjectDer(new X509Certificate(cert))))) {
    for (const attribute of asn.children(rdn)) {
      const [type, value] = asn.children(attribute);
      if (type && value && asn.oidText(type) === uidAttribute) found.push(value.content.toString('utf8'));
    }
  }
  if (found.length > 1) throw new Error(`expected 1 UID, but found multiple: ${JSON.stringify(found)}`);
  if (found[0] === '') throw new Error('UID cannot be an empty string');
  return found[0];
}

/** What is wrong with a PEM bundle of certificates, in upstream's words; undefined when it holds at least one and all can be read. */
export function certificateProblem(pem: string): string | undefined {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (!blocks.length) return 'data does not contain any valid RSA or ECDSA certificates';
  try {
    for (const block of blocks) new X509Certificate(block);
    return undefined;
  } catch (error) {
    return `x509: malformed certificate: ${(error as Error).message}`;
  }
}

/** When a DER certificate ends, milliseconds since the epoch. */
export function certificateEnd(cert: Buffer): number {
  return Date.parse(new X509Certificate(cert).validTo);
}

/** User and groups of a certificate given as PEM or DER (`tlsSocket.getPeerX509Certificate().raw`). */
export function certificateSubject(cert: string | Buffer): Required<Omit<Subject, 'uid'>> {
  return decodeSubject(subjectDer(new X509Certificate(cert)));
}

/**
 * Checks that `cert` was signed by one of the CA certificates in `caBundle` (PEM), that both are valid at `nowMs`, and,
 * when `usage` is given, that the certificate allows it. Returns why not, or undefined when it holds.
 */
export function verifyCertificate(cert: string | Buffer, options: { caBundle: string; nowMs: number; usage?: 'client auth' | 'server auth' }): string | undefined {
  const leaf = new X509Certificate(cert);
  const authorities = (options.caBundle.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []).map((pem) => new X509Certificate(pem));
  const authority = authorities.find((ca) => ca.ca && leaf.checkIssued(ca) && leaf.verify(ca.publicKey));
  if (!authority) return 'x509: certificate signed by unknown authority';
  for (const part of [leaf, authority]) {
    if (options.nowMs < Date.parse(part.validFrom) || options.nowMs > Date.parse(part.validTo)) return 'x509: certificate has expired or is not yet valid';
  }
  const id = options.usage && extendedUsageOid[options.usage];
  if (id && leaf.keyUsage && !leaf.keyUsage.includes(id)) return 'x509: certificate specifies an incompatible key usage';
  return undefined;
}

/** Any PEM private key (SEC 1, PKCS #1, PKCS #8) as PKCS #8, which WebCrypto takes, and the JWS algorithm it signs with. */
export function importableKey(pem: string): { readonly pem: string; readonly algorithm: 'ES256' | 'RS256' } {
  const key = createPrivateKey(pem);
  return { pem: key.export({ type: 'pkcs8', format: 'pem' }) as string, algorithm: key.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256' };
}
