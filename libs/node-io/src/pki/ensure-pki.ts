import { X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto';
import { ConfigError } from '@orrery/runtime';
import { type KubeconfigOptions, kubeconfigText } from './kubeconfig.ts';
import { type PkiFiles, directoryFiles, memoryFiles } from './pki-files.ts';
import { type AltNames, type KeyPair, type Subject, type Usage, generateKey, signCertificate, verifyCertificate } from './x509.ts';

const dayMs = 24 * 60 * 60 * 1000;
const caLifeMs = 3650 * dayMs;
const leafLifeMs = 365 * dayMs;
/** The common name by which extension servers know the API server. */
export const frontProxyName = 'front-proxy-client';
/** Clocks of clients may be behind ours. */
const backdateMs = 5 * 60 * 1000;

export interface PkiOptions {
  /** Names and addresses of the API server beyond the usual ones (localhost, 127.0.0.1, ::1, kubernetes.default…, 10.96.0.1, 10.240.0.1). */
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly clusterDomain?: string;
  /** Default: the system's clock. */
  readonly now?: () => number;
}

/** A cluster's identities. Every accessor creates what is missing and hands out the same thing from then on, across restarts too. */
export interface Pki {
  /** PEM certificate of the cluster's CA. */
  readonly caCert: string;
  readonly caKey: string;
  /** The API server's serving certificate. */
  readonly serverCert: string;
  readonly serverKey: string;
  /** PEM private key (EC P-256, ES256) that signs service-account tokens, and its public half (PEM SPKI). */
  readonly saKey: string;
  readonly saPublicKey: string;
  /** A client certificate for a user in groups. */
  clientCert(user: string, groups?: readonly string[]): KeyPair;
  /** A certificate for both directions, e.g. store peers, kubelets (`system:node:x`). `name` names its file. */
  servingCert(name: string, options: { subject: Subject; altNames: AltNames }): KeyPair;
  /** The API server as a front proxy to the servers behind APIServices: an authority of its own, and the certificate it shows them (common name `front-proxy-client`). */
  readonly frontProxy: { readonly caCert: string } & KeyPair;
  /** Kubeconfig text with the user's embedded client certificate. */
  kubeconfig(options: { server: string; user: string; groups?: readonly string[]; cluster?: string; namespace?: string }): string;
}

interface LeafRequest {
  readonly subject: Subject;
  readonly usages: readonly Usage[];
  readonly altNames?: AltNames;
}

/** Runs what reads a file of the PKI that cannot be made anew without voiding what was given out. Throws ConfigError where it is damaged. */
function undamaged<T>(files: string, voids: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigError(`${files} of the cluster's PKI: damaged (${(error as Error).message}). Put what was there back, or remove it to have it made anew: ${voids}`);
  }
}

/** Still good: undamaged, signed by this CA, a fifth of its life left, same subject, all the names. */
function reusable(pair: KeyPair, want: LeafRequest & { caCert: string; nowMs: number }): boolean {
  try {
    return isGood(pair, want);
  } catch {
    return false;
  }
}

/** Throws for what is no certificate, or no key. */
function isGood(pair: KeyPair, want: LeafRequest & { caCert: string; nowMs: number }): boolean {
  if (verifyCertificate(pair.cert, { caBundle: want.caCert, nowMs: want.nowMs }) !== undefined) return false;
  const cert = new X509Certificate(pair.cert);
  if (Date.parse(cert.validTo) - want.nowMs < leafLifeMs / 5 || !cert.checkPrivateKey(createPrivateKey(pair.key))) return false;
  const subject = [...(want.subject.organizations ?? []).map((name) => `O=${name}`), `CN=${want.subject.commonName}`].join('\n');
  const names = [...(want.altNames?.dnsNames ?? []).map((name) => cert.checkHost(name)), ...(want.altNames?.ipAddresses ?? []).map((ip) => cert.checkIP(ip))];
  return cert.subject === subject && names.every((found) => found !== undefined);
}

/** `name` is that of its files; `commonName` what the certificate says. */
function certificateAuthority(files: PkiFiles, nowMs: number, { name, commonName }: { name: string; commonName: string }): KeyPair {
  const stored = files.readPair(name);
  const isUsable = ({ cert, key }: KeyPair): boolean => new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)) && Date.parse(new X509Certificate(cert).validTo) > nowMs + leafLifeMs;
  if (stored && undamaged(`${name}.crt or ${name}.key`, 'every certificate and kubeconfig of this authority is void then', () => isUsable(stored))) return stored;
  const { key, publicKey } = generateKey();
  const subject = { commonName };
  const usages: Usage[] = ['digital signature', 'key encipherment', 'cert sign', 'crl sign'];
  const cert = signCertificate({ subject, publicKey, usages, isCa: true, altNames: {}, notBefore: nowMs - backdateMs, notAfter: nowMs + caLifeMs }, { key });
  const pair = { cert, key };
  files.writePair(name, pair);
  return pair;
}

function serverNames(options: PkiOptions): AltNames {
  const domain = options.clusterDomain ?? 'cluster.local';
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', `kubernetes.default.svc.${domain}`];
  return {
    dnsNames: [...new Set(['localhost', ...service, ...(options.dnsNames ?? [])])],
    ipAddresses: [...new Set(['127.0.0.1', '::1', '10.96.0.1', '10.240.0.1', ...(options.ipAddresses ?? [])])],
  };
}

/**
 * Opens the PKI kept in `dir` (created with mode 0700, keys 0600), making what is missing or close to its end: a CA of
 * ten years, leaves of one. Without a directory everything lives in memory. Takes a few milliseconds. A leaf that is damaged is
 * made anew; a damaged CA, or key of service accounts, is a ConfigError that says what to do.
 */
export function ensurePki(dir: string | undefined, options: PkiOptions = {}): Pki {
  const now = options.now ?? Date.now;
  const files = dir === undefined ? memoryFiles() : directoryFiles(dir);
  const ca = files.exclusively(() => certificateAuthority(files, now(), { name: 'ca', commonName: 'orrery-ca' }));

  const leaf = (name: string, request: LeafRequest, by = ca): KeyPair =>
    files.exclusively(() => {
      const nowMs = now();
      const stored = files.readPair(name);
      if (stored && reusable(stored, { ...request, caCert: by.cert, nowMs })) return stored;
      const { key, publicKey } = generateKey();
      const cert = signCertificate({ ...request, publicKey, notBefore: nowMs - backdateMs, notAfter: nowMs + leafLifeMs }, by);
      files.writePair(name, { cert, key });
      return { cert, key };
    });

  const clientCert = (user: string, groups: readonly string[] = []): KeyPair =>
    leaf(`client-${fileName(user)}`, { subject: { commonName: user, organizations: groups }, usages: ['digital signature', 'key encipherment', 'client auth'] });

  const server = leaf('apiserver', { subject: { commonName: 'kube-apiserver' }, altNames: serverNames(options), usages: ['digital signature', 'key encipherment', 'server auth'] });
  const saKey = files.exclusively(() => files.readKey('service-account') ?? files.writeKey('service-account', generateKey().key));
  const saPublicKey = undamaged('service-account.key', 'every service-account token is void then', () => createPublicKey(saKey).export({ type: 'spki', format: 'pem' }) as string);
  return {
    caCert: ca.cert,
    caKey: ca.key,
    serverCert: server.cert,
    serverKey: server.key,
    saKey,
    saPublicKey,
    clientCert,
    get frontProxy() {
      const authority = files.exclusively(() => certificateAuthority(files, now(), { name: 'front-proxy-ca', commonName: 'front-proxy-ca' }));
      const pair = leaf('front-proxy-client', { subject: { commonName: frontProxyName }, usages: ['digital signature', 'key encipherment', 'client auth'] }, authority);
      return { caCert: authority.cert, ...pair };
    },
    servingCert: (name, { subject, altNames }) => leaf(fileName(name), { subject, altNames, usages: ['digital signature', 'key encipherment', 'server auth', 'client auth'] }),
    kubeconfig: ({ user, groups, ...rest }) => kubeconfigText({ ...rest, user, caCert: ca.cert, credentials: clientCert(user, groups) } satisfies KubeconfigOptions),
  };
}

/** User names hold colons and slashes; files should not. */
function fileName(user: string): string {
  return user.replace(/[^A-Za-z0-9.@-]/g, (c) => (c === ':' ? '_' : `%${c.charCodeAt(0).toString(16)}`));
}
