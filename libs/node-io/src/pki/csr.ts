import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import * as asn from './der.ts';
import { fromPem, toPem } from './pem.ts';
import { type AltNames, type Issuer, type Subject, type Usage, decodeSubject, encodeAltNames, encodeSubject, extension, signCertificate } from './x509.ts';

const extensionRequest = '1.2.840.113549.1.9.14';
const subjectAltName = '2.5.29.17';

/** Digest by the object id of the signature algorithm; null for algorithms that hash by themselves. */
const digests: Readonly<Record<string, string | null>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.3.101.112': null,
};

/** A parsed and verified PKCS #10 request. */
export interface SigningRequest {
  readonly subject: Required<Omit<Subject, 'uid'>>;
  readonly subjectDer: Buffer;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Buffer;
  readonly altNames: Required<AltNames>;
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.');
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return words.join(':');
}

function decodeAltNames(value: Buffer): Required<AltNames> {
  const names = asn.children(asn.readElement(value));
  const texts = (tag: number): string[] => names.filter((name) => name.tag === tag).map((name) => name.content.toString('utf8'));
  return {
    emailAddresses: texts(0x81),
    dnsNames: texts(0x82),
    uris: texts(0x86),
    ipAddresses: names.filter((name) => name.tag === 0x87).map((name) => addressText(name.content)),
  };
}

function requestedAltNames(attributes: asn.Element | undefined): Required<AltNames> {
  for (const attribute of attributes ? asn.children(attributes) : []) {
    const [type, values] = asn.children(attribute);
    if (!type || !values || asn.oidText(type) !== extensionRequest) continue;
    for (const one of asn.children(asn.children(values)[0] as asn.Element)) {
      const parts = asn.children(one);
      const value = parts.at(-1);
      if (parts[0] && value && asn.oidText(parts[0]) === subjectAltName) return decodeAltNames(value.content);
    }
  }
  return { emailAddresses: [], dnsNames: [], uris: [], ipAddresses: [] };
}

/** Parses a PEM request and checks its signature. Throws an Error worded as upstream's `ParseCSR` failures are. */
export function parseCsr(pem: string): SigningRequest {
  const [bytes] = fromPem('CERTIFICATE REQUEST', pem);
  if (!bytes) throw new Error('PEM block type must be CERTIFICATE REQUEST');
  const [info, algorithm, signature] = asn.children(asn.expectTag(asn.readElement(bytes), asn.Tag.sequence, 'a certificate request'));
  const [, subject, spki, attributes] = asn.children(asn.expectTag(info, asn.Tag.sequence, 'request information'));
  const subjectDer = asn.expectTag(subject, asn.Tag.sequence, 'a subject').raw;
  const publicKey = asn.expectTag(spki, asn.Tag.sequence, 'a public key').raw;
  const [algorithmId] = asn.children(asn.expectTag(algorithm, asn.Tag.sequence, 'a signature algorithm'));
  const digest = digests[asn.oidText(asn.expectTag(algorithmId, asn.Tag.oid, 'an algorithm id'))];
  if (digest === undefined) throw new Error('x509: cannot verify signature: algorithm unimplemented');
  const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  const signed = asn.expectTag(signature, asn.Tag.bitString, 'a signature').content.subarray(1);
  if (!verify(digest, (info as asn.Element).raw, key, signed)) throw new Error('x509: signature does not verify');
  return { subject: decodeSubject(subjectDer), subjectDer, publicKey, altNames: requestedAltNames(attributes?.tag === 0xa0 ? attributes : undefined) };
}

/** Signs what a request asks for; who may have which subject and usages is the caller's decision. PEM certificate. */
export function signCsr(request: SigningRequest, options: { issuer: Issuer; usages: readonly Usage[]; notBefore: number; notAfter: number }): string {
  const { issuer, usages, notBefore, notAfter } = options;
  return signCertificate({ subject: request.subjectDer, publicKey: request.publicKey, altNames: request.altNames, usages, notBefore, notAfter }, issuer);
}

/** A PEM request for an EC P-256 key, as a kubelet sends for its client and serving certificates. */
export function createCsr(options: { subject: Subject; key: string; altNames?: AltNames }): string {
  const { subject, altNames = {} } = options;
  const key = createPrivateKey(options.key);
  const wanted = Object.values(altNames).some((names) => names.length)
    ? asn.sequence(asn.oid(extensionRequest), asn.set(asn.sequence(extension(subjectAltName, { critical: false, value: encodeAltNames(altNames) }))))
    : Buffer.alloc(0);
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const info = asn.sequence(asn.integer(Buffer.from([0])), encodeSubject(subject), spki, asn.context(0, true, wanted));
  const body = asn.sequence(info, asn.sequence(asn.oid('1.2.840.10045.4.3.2')), asn.bits(sign('sha256', info, key)));
  return toPem('CERTIFICATE REQUEST', body);
}
