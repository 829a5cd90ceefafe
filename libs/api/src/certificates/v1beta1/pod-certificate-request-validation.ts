import type { FieldError } from '@orrery/errors';
import type { CertificatesV1beta1PodCertificateRequest as PodCertificateRequest } from '../../../gen/types.ts';
import { semanticEqual } from '../../equality.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkAnnotations, checkImmutable } from '../../validation/fields.ts';
import { dns1123Subdomain } from '../../validation/names.ts';
import { derSequence, readCertificate } from '../der.ts';
import { pemBlocks } from '../pem.ts';
import { checkSignerName } from '../signer-name.ts';

const maxUid = 128;
const maxKeyBytes = 10 * 1024;
const minSeconds = 3600;
const maxSeconds = 91 * 24 * 3600;
/** What Kubernetes' own signers issue lives for a day at most. */
const maxKubernetesSeconds = 24 * 3600;
const maxChainBytes = 100 * 1024;
const outcomes = ['Denied', 'Failed', 'Issued'];

function checkUid(uid: string | undefined, at: FieldPath): void {
  if (!uid) at.required();
  else if (uid.length > maxUid) at.tooLong(uid, maxUid);
}

function checkLife(seconds: number | undefined, signerName: string, at: FieldPath): void {
  if (seconds === undefined) return at.required('must be set');
  const max = signerName.startsWith('kubernetes.io/') ? maxKubernetesSeconds : maxSeconds;
  if (seconds < minSeconds || seconds > max) at.invalid(seconds, `must be in the range [${minSeconds}, ${max}]`);
}

function checkBytes(base64: string | undefined, at: FieldPath, problem: (bytes: Buffer) => string | undefined): void {
  const bytes = Buffer.from(base64 ?? '', 'base64');
  if (bytes.length > maxKeyBytes) return at.tooLong(bytes, maxKeyBytes);
  const why = problem(bytes);
  if (why) at.invalid('<non-human-readable>', why);
}

/** The key comes in a signing request or, as earlier clients send it, by itself with a proof that it is theirs. */
function checkKey({ spec }: PodCertificateRequest, at: FieldPath): void {
  const { stubPKCS10Request: stub, pkixPublicKey: key, proofOfPossession: proof } = spec ?? {};
  if (stub && (key || proof)) return at.child('stubPKCS10Request').invalid('<non-human-readable>', 'must not be set together with pkixPublicKey or proofOfPossession');
  if (stub) return checkBytes(stub, at.child('stubPKCS10Request'), (bytes) => (derSequence(bytes)?.length === 3 ? undefined : 'must be a valid PKCS#10 certificate signing request'));
  if (!key && !proof) return at.child('stubPKCS10Request').required();
  checkBytes(key, at.child('pkixPublicKey'), (bytes) => (derSequence(bytes)?.length === 2 ? undefined : 'must be a valid PKIX-serialized public key'));
  checkBytes(proof, at.child('proofOfPossession'), (bytes) => (bytes.length ? undefined : 'proof of possession must be set'));
}

export function checkPodCertificateRequest(request: PodCertificateRequest): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    const { signerName, podName = '', podUID, serviceAccountName = '', serviceAccountUID, nodeName = '', nodeUID, maxExpirationSeconds, unverifiedUserAnnotations } = request.spec ?? {};
    checkSignerName(signerName, at.child('signerName'));
    at.child('podName').matches(podName, dns1123Subdomain);
    checkUid(podUID, at.child('podUID'));
    at.child('serviceAccountName').matches(serviceAccountName, dns1123Subdomain);
    checkUid(serviceAccountUID, at.child('serviceAccountUID'));
    at.child('nodeName').matches(nodeName, dns1123Subdomain);
    checkUid(nodeUID, at.child('nodeUID'));
    checkLife(maxExpirationSeconds, signerName ?? '', at.child('maxExpirationSeconds'));
    checkKey(request, at);
    checkAnnotations(unverifiedUserAnnotations, at.child('unverifiedUserAnnotations'));
  });
}

export function checkPodCertificateRequestUpdate(request: PodCertificateRequest, old: PodCertificateRequest): FieldError[] {
  return findProblems((root) => checkImmutable({ value: request.spec, old: old.spec }, root.child('spec')));
}

function checkChain(chain: string, at: FieldPath): void {
  if (chain.length > maxChainBytes) return at.tooLong('<omitted>', maxChainBytes);
  const blocks = pemBlocks(chain);
  if (!blocks.length) at.invalid('<omitted>', 'must contain at least one certificate');
  for (const { type, hasHeaders, der } of blocks) {
    if (type !== 'CERTIFICATE') at.invalid('<omitted>', 'must only contain CERTIFICATE blocks');
    else if (hasHeaders) at.invalid('<omitted>', 'must not contain PEM block headers');
    else if (!readCertificate(der)) at.invalid('<omitted>', 'must only contain valid X.509 certificates');
  }
}

/** A request ends in one of three ways, once and for all. */
export function checkPodCertificateRequestStatus(request: PodCertificateRequest, old: PodCertificateRequest): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status');
    const { conditions = [], certificateChain = '', notBefore, notAfter, beginRefreshAt } = request.status ?? {};
    const ended = (old.status?.conditions ?? []).some(({ type }) => outcomes.includes(type));
    if (ended) return checkImmutable({ value: request.status, old: old.status }, at);
    if (semanticEqual(request.status, old.status)) return undefined;
    const [outcome, ...more] = conditions.filter(({ type }) => outcomes.includes(type));
    if (more.length) at.child('conditions').invalid(conditions.map(({ type }) => type), 'exactly one of "Issued", "Denied", or "Failed" may be set');
    for (const [i, { type, status }] of conditions.entries()) {
      if (!outcomes.includes(type)) at.child('conditions').at(i).child('type').notSupported(type, outcomes);
      else if (status !== 'True') at.child('conditions').at(i).child('status').notSupported(status, ['True']);
    }
    const fields: readonly [string, unknown][] = [['certificateChain', certificateChain], ['notBefore', notBefore], ['beginRefreshAt', beginRefreshAt], ['notAfter', notAfter]];
    if (outcome?.type !== 'Issued') {
      for (const [name, value] of fields) if (value) at.child(name).invalid(value, 'may not be set unless the request is issued');
      return undefined;
    }
    for (const [name, value] of fields.slice(1)) if (!value) at.child(name).required('must be present and consistent with the issued certificate');
    checkChain(certificateChain, at.child('certificateChain'));
    if (notBefore && notAfter && Date.parse(notBefore) >= Date.parse(notAfter)) at.child('notAfter').invalid(notAfter, 'must be after notBefore');
    return undefined;
  });
}
