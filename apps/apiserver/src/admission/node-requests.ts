import { CSIDrivers, PersistentVolumeClaims, PersistentVolumes } from '@orrery/api';
import type { CertificateSigningRequest, Pod, ResourceSlice, TokenRequest, Volume } from '@orrery/api/types';
import { forbidden } from '@orrery/errors';
import { parseCsr } from '@orrery/node-io/pki';
import type { AdmissionAttributes, Authorizer, ObjectReader } from '../pipeline/index.ts';
import { subjectOf } from './match.ts';

/** Audiences that the driver of a volume is given tokens for. */
function driverAudiences(driver: string | undefined, read: ObjectReader): string[] {
  return driver ? (read.get(CSIDrivers, { name: driver })?.spec?.tokenRequests ?? []).map(({ audience }) => audience) : [];
}

function claimedDriver(volume: Volume, pod: Pod, read: ObjectReader): string | undefined {
  const name = volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral ? `${pod.metadata?.name}-${volume.name}` : undefined);
  const claim = name && read.get(PersistentVolumeClaims, { namespace: pod.metadata?.namespace ?? '', name });
  const bound = claim ? claim.spec?.volumeName : undefined;
  return bound ? read.get(PersistentVolumes, { name: bound })?.spec?.csi?.driver : undefined;
}

/** Does the pod's spec call for tokens of this audience? Empty is the API server's own. */
function callsFor(pod: Pod, audience: string, read: ObjectReader): boolean {
  return (pod.spec?.volumes ?? []).some((volume) => {
    if ((volume.projected?.sources ?? []).some(({ serviceAccountToken: token }) => token && (token.audience ?? '') === audience)) return true;
    return [volume.csi?.driver, claimedDriver(volume, pod, read)].some((driver) => driverAudiences(driver, read).includes(audience));
  });
}

/** Tokens for audiences that the pod has nothing to do with take a permission of their own. */
export async function checkAudience(attributes: AdmissionAttributes, pod: Pod, { read, authorize }: { read: ObjectReader; authorize: Authorizer['authorize'] }): Promise<void> {
  const audiences = (attributes.object as TokenRequest).spec?.audiences ?? [];
  if (audiences.length > 1) throw forbidden(subjectOf(attributes), 'node may only request 0 or 1 audiences');
  const audience = audiences[0] ?? '';
  if (callsFor(pod, audience, read)) return;
  const { user, namespace, name } = attributes;
  const info = { isResource: true, path: '', verb: 'request-serviceaccounts-token-audience', group: '', version: 'v1', resource: audience, subresource: '', namespace, name };
  if ((await authorize({ user, info })).decision === 'allow') return;
  throw forbidden(subjectOf(attributes), `audience ${JSON.stringify(audience)} not found in pod spec volume, ${user.username} is not authorized to request tokens for this audience`);
}

const nodeSigners = new Set(['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet']);

/** A node asks for certificates in its own name only. */
export function checkSigningRequest(attributes: AdmissionAttributes, node: string): void {
  const { spec } = attributes.object as CertificateSigningRequest;
  if (attributes.operation !== 'CREATE' || !nodeSigners.has(spec?.signerName ?? '')) return;
  let name: string | undefined;
  try {
    name = parseCsr(Buffer.from(spec?.request ?? '', 'base64').toString()).subject.commonName;
  } catch (error) {
    throw forbidden(subjectOf(attributes), `unable to parse csr: ${(error as Error).message}`);
  }
  if (name !== `system:node:${node}`) throw forbidden(subjectOf(attributes), `can only create a node CSR with CN=system:node:${node}`);
}

/** A node publishes and takes back the devices it has itself. */
export function checkSlice({ operation, object, oldObject, ...attributes }: AdmissionAttributes, node: string): void {
  if (operation !== 'CREATE' && operation !== 'DELETE') return;
  const slice = (operation === 'CREATE' ? object : oldObject) as ResourceSlice;
  if (slice.spec?.nodeName !== node) throw forbidden(subjectOf({ ...attributes, operation, object, oldObject }), `can only ${operation.toLowerCase()} ResourceSlice with the same NodeName as the requesting node`);
}
