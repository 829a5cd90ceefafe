import type { FieldError } from '@orrery/errors';
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../../../gen/types.ts';
import { semanticEqual } from '../../equality.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { readCertificate } from '../der.ts';
import { pemBlocks } from '../pem.ts';
import { checkSignerName } from '../signer-name.ts';

const knownUsages = [
  'signing', 'digital signature', 'content commitment', 'key encipherment', 'key agreement', 'data encipherment', 'cert sign', 'crl sign', 'encipher only', 'decipher only', 'any',
  'server auth', 'client auth', 'code signing', 'email protection', 's/mime', 'ipsec end system', 'ipsec tunnel', 'ipsec user', 'timestamping', 'ocsp signing', 'microsoft sgc', 'netscape sgc',
].sort();
const legacySigner = 'kubernetes.io/legacy-unknown';
const verdicts = ['Approved', 'Denied'];
const alwaysTrue = [...verdicts, 'Failed'];

const conditionsOf = ({ status }: CertificateSigningRequest): readonly CertificateSigningRequestCondition[] => status?.conditions ?? [];
const ofType = (csr: CertificateSigningRequest, type: string): CertificateSigningRequestCondition[] => conditionsOf(csr).filter((condition) => condition.type === type);
const textOf = (base64: string | undefined): string => Buffer.from(base64 ?? '', 'base64').toString('utf8');

/** That the request is signed by its key is checked where keys can be used: by the API server's admission. */
function checkRequestPem(request: string | undefined, at: FieldPath): void {
  const [block] = pemBlocks(textOf(request));
  if (block?.type !== 'CERTIFICATE REQUEST') at.invalid(request ?? '', 'PEM block type must be CERTIFICATE REQUEST');
}

function checkUsages(usages: readonly string[], at: FieldPath): void {
  if (!usages.length) at.required();
  for (const [i, usage] of usages.entries()) if (!knownUsages.includes(usage)) at.at(i).notSupported(usage, knownUsages);
  for (const [i, usage] of usages.entries()) if (usages.indexOf(usage) < i) at.at(i).duplicate(usage);
}

/** What is wrong with the text of an issued certificate. */
function certificateProblem(text: string): string | undefined {
  const blocks = pemBlocks(text);
  for (const { type, hasHeaders, der } of blocks) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`;
    if (hasHeaders) return 'no PEM block headers are permitted';
    if (!der.length) return 'found CERTIFICATE PEM block containing 0 certificates';
    if (!readCertificate(der)) return 'x509: malformed certificate';
  }
  return blocks.length ? undefined : 'must contain at least one CERTIFICATE PEM block';
}

/** Faults that are stored already are put up with. */
function checkConditions(csr: CertificateSigningRequest, old: CertificateSigningRequest | undefined, at: FieldPath): void {
  const before = old ? conditionsOf(old).map(({ type }) => type) : [];
  const tolerates = { both: verdicts.every((type) => before.includes(type)), doubles: new Set(before).size < before.length, empty: before.includes('') };
  const seen = new Set<string>();
  for (const [i, { type = '', status }] of conditionsOf(csr).entries()) {
    const path = at.at(i);
    if (!type && !tolerates.empty) path.child('type').required();
    path.child('status').requiredOneOf(status, alwaysTrue.includes(type) ? ['True'] : ['False', 'True', 'Unknown']);
    const other = verdicts.find((verdict) => verdicts.includes(type) && verdict !== type);
    if (other && seen.has(other) && !tolerates.both) path.child('type').invalid(type, 'Approved and Denied conditions are mutually exclusive');
    if (seen.has(type) && !tolerates.doubles) path.child('type').duplicate(type);
    seen.add(type);
  }
}

export function checkNewRequest(csr: CertificateSigningRequest, root: FieldPath): void {
  const at = root.child('spec');
  const { request, usages = [], signerName, expirationSeconds } = csr.spec ?? {};
  checkRequestPem(request, at.child('request'));
  checkUsages(usages, at.child('usages'));
  if (signerName === legacySigner) at.child('signerName').invalid(signerName, 'the legacy signerName is not allowed via this API version');
  else checkSignerName(signerName, at.child('signerName'));
  if (expirationSeconds !== undefined && expirationSeconds < 600) at.child('expirationSeconds').invalid(expirationSeconds, 'may not specify a duration less than 600 seconds (10 minutes)');
}

function checkVerdictsKept(csr: CertificateSigningRequest, old: CertificateSigningRequest, at: FieldPath): void {
  for (const type of alwaysTrue) {
    if (ofType(csr, type).length < ofType(old, type).length) at.forbidden(`updates may not remove a condition of type ${JSON.stringify(type)}`);
  }
}

/** Only /approval may judge. */
function checkNoVerdict(csr: CertificateSigningRequest, old: CertificateSigningRequest, at: FieldPath): void {
  for (const type of verdicts) {
    const [now, before] = [ofType(csr, type), ofType(old, type)];
    if (now.length > before.length) at.forbidden(`updates may not add a condition of type ${JSON.stringify(type)}`);
    else if (now.length === before.length && !semanticEqual(now, before)) at.forbidden(`updates may not modify a condition of type ${JSON.stringify(type)}`);
  }
}

/** An update of conditions or certificate. `approval` may judge but not issue, `status` the other way round. */
export function checkVerdictUpdate(csr: CertificateSigningRequest, old: CertificateSigningRequest, through: 'approval' | 'status'): FieldError[] {
  return findProblems((root) => {
    const status = root.child('status');
    const [now, before] = [csr.status?.certificate ?? '', old.status?.certificate ?? ''];
    checkConditions(csr, old, status.child('conditions'));
    const tolerated = now === before || now === '' || (before !== '' && certificateProblem(textOf(before)) !== undefined);
    const problem = tolerated ? undefined : certificateProblem(textOf(now));
    if (problem) status.child('certificate').invalid('<certificate data>', problem);
    checkVerdictsKept(csr, old, status.child('conditions'));
    if (through === 'status') checkNoVerdict(csr, old, status.child('conditions'));
    // Through /approval the certificate stays as it is.
    if (before && now !== before) status.child('certificate').forbidden('updates may not modify existing certificate content');
  });
}
