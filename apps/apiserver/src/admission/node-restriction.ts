import { Nodes, PersistentVolumeClaims, Pods } from '@orrery/api';
import type { Node, Pod, TokenRequest } from '@orrery/api/types';
import { deepEqual } from '@orrery/apimachinery';
import { type StatusError, forbidden } from '@orrery/errors';
import { nodeOf } from '../authorization/node.ts';
import { podReferences } from '../authorization/pod-references.ts';
import type { AdmissionAttributes, AdmissionPlugin, Authorizer, ObjectReader } from '../pipeline/index.ts';
import { subjectOf } from './match.ts';
import { checkAudience, checkSigningRequest, checkSlice } from './node-requests.ts';

const mirrorAnnotation = 'kubernetes.io/config.mirror';

/** Labels in Kubernetes' own domains that a kubelet may set on its node. */
const kubeletLabels = new Set([
  'kubernetes.io/hostname',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/instance-type',
  'kubernetes.io/os',
  'beta.kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/arch',
  'node.kubernetes.io/windows-build',
]);
const kubeletDomains = ['kubelet.kubernetes.io', 'node.kubernetes.io'];

interface Attempt {
  readonly attributes: AdmissionAttributes;
  readonly node: string;
  readonly read: ObjectReader;
  readonly authorize: Authorizer['authorize'];
}

const refuse = ({ attributes }: Attempt, why: string): StatusError => forbidden(subjectOf(attributes), why);

function podCreate(attempt: Attempt): void {
  const { node, attributes } = attempt;
  const pod = attributes.object as Pod;
  const { metadata = {}, spec } = pod;
  if (metadata.annotations?.[mirrorAnnotation] === undefined) throw refuse(attempt, `pod does not have ${JSON.stringify(mirrorAnnotation)} annotation, node ${JSON.stringify(node)} can only create mirror pods`);
  if (spec?.nodeName !== node) throw refuse(attempt, `node ${JSON.stringify(node)} can only create pods with spec.nodeName set to itself`);
  const owners = metadata.ownerReferences ?? [];
  const [owner] = owners;
  const self = attempt.read.get(Nodes, { name: node });
  if (owners.length > 1) throw refuse(attempt, `node ${JSON.stringify(node)} can only create pods with a single owner reference set to itself`);
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) throw refuse(attempt, `node ${JSON.stringify(node)} can only create pods with an owner reference set to itself`);
  if (!owner.controller) throw refuse(attempt, `node ${JSON.stringify(node)} can only create pods with a controller owner reference set to itself`);
  if (owner.blockOwnerDeletion) throw refuse(attempt, `node ${JSON.stringify(node)} must not set blockOwnerDeletion on an owner reference`);
  if (self && self.metadata?.uid !== owner.uid) throw refuse(attempt, `node ${node} UID mismatch: expected ${self.metadata?.uid} got ${owner.uid}`);
  if (spec.serviceAccountName) throw refuse(attempt, `node ${JSON.stringify(node)} can not create pods that reference a service account`);
  const references = podReferences({ ...structuredClone(pod), metadata: { ...metadata, annotations: {} } });
  for (const [what, names] of [['secrets', references.secrets], ['configmaps', references.configMaps], ['persistentvolumeclaims', references.claims], ['resourceclaims', references.resourceClaims]] as const) {
    if (names.size) throw refuse(attempt, `node ${JSON.stringify(node)} can not create pods that reference ${what}`);
  }
}

function podStatus(attempt: Attempt): void {
  const { node, attributes } = attempt;
  const [pod, old] = [attributes.object as Pod, attributes.oldObject as Pod];
  if (old.spec?.nodeName !== node) throw refuse(attempt, `node ${JSON.stringify(node)} can only update pod status for pods with spec.nodeName set to itself`);
  if (!deepEqual(pod.metadata?.labels ?? {}, old.metadata?.labels ?? {})) throw refuse(attempt, `node ${JSON.stringify(node)} cannot update labels through pod status`);
  const claims = (one: Pod): unknown => (one.status?.resourceClaimStatuses ?? []).map(({ name, resourceClaimName }) => [name, resourceClaimName]);
  if (!deepEqual(claims(pod), claims(old))) throw refuse(attempt, `node ${JSON.stringify(node)} cannot update resource claim statues`);
}

function admitPod(attempt: Attempt): void {
  const { node, attributes, read } = attempt;
  const { operation, subresource, namespace, name } = attributes;
  if (subresource === 'status') return podStatus(attempt);
  if (subresource === 'eviction') {
    if (read.get(Pods, { namespace, name })?.spec?.nodeName !== node) throw refuse(attempt, `node ${node} can only evict pods with spec.nodeName set to itself`);
    return undefined;
  }
  if (subresource) throw refuse(attempt, `unexpected pod subresource ${JSON.stringify(subresource)}, only 'status' and 'eviction' are allowed`);
  if (operation === 'CREATE') return podCreate(attempt);
  if (operation === 'DELETE') {
    if ((attributes.oldObject as Pod).spec?.nodeName !== node) throw refuse(attempt, `node ${JSON.stringify(node)} can only delete pods with spec.nodeName set to itself`);
    return undefined;
  }
  throw refuse(attempt, `unexpected operation ${JSON.stringify(operation)}, node ${JSON.stringify(node)} can only create and delete mirror pods`);
}

function forbiddenLabels(node: Node, old: Node | undefined): string[] {
  const [now, before] = [node.metadata?.labels ?? {}, old?.metadata?.labels ?? {}];
  const changed = [...new Set([...Object.keys(now), ...Object.keys(before)])].filter((key) => now[key] !== before[key]);
  return changed.filter((key) => {
    const [domain = ''] = key.includes('/') ? key.split('/') : [];
    const within = (suffix: string): boolean => domain === suffix || domain.endsWith(`.${suffix}`);
    if (within('node-restriction.kubernetes.io')) return true;
    if (!within('kubernetes.io') && !within('k8s.io')) return false;
    return !kubeletLabels.has(key) && !kubeletDomains.some(within);
  });
}

function admitNode(attempt: Attempt): void {
  const { node, attributes } = attempt;
  const { operation } = attributes;
  const [object, old] = [attributes.object as Node, attributes.oldObject as Node | undefined];
  const requested = attributes.name || object?.metadata?.name || '';
  if (requested !== node) throw refuse(attempt, `node ${JSON.stringify(node)} is not allowed to modify node ${JSON.stringify(requested)}`);
  if (operation === 'DELETE' || !object) return;
  if (operation === 'UPDATE' && !deepEqual(object.spec?.taints ?? [], old?.spec?.taints ?? [])) throw refuse(attempt, `node ${JSON.stringify(node)} is not allowed to modify taints`);
  if (!deepEqual(object.metadata?.ownerReferences ?? [], old?.metadata?.ownerReferences ?? [])) {
    throw refuse(attempt, `node ${JSON.stringify(node)} is not allowed to ${operation === 'CREATE' ? 'set' : 'modify'} owner references`);
  }
  const labels = forbiddenLabels(object, old);
  if (labels.length) throw refuse(attempt, `is not allowed to ${operation === 'CREATE' ? 'set the following labels' : 'modify labels'}: ${labels.sort().join(', ')}`);
}

function admitToken(attempt: Attempt): Promise<void> {
  const { attributes, node, read } = attempt;
  const ref = (attributes.object as TokenRequest).spec?.boundObjectRef;
  if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name) throw refuse(attempt, 'node requested token not bound to a pod');
  if (!ref.uid) throw refuse(attempt, 'node requested token with a pod binding without a uid');
  const pod = read.get(Pods, { namespace: attributes.namespace, name: ref.name });
  if (!pod) throw refuse(attempt, `pod ${JSON.stringify(ref.name)} not found`);
  if (pod.metadata?.uid !== ref.uid) throw refuse(attempt, `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`);
  if (pod.spec?.nodeName !== node) throw refuse(attempt, 'node requested token bound to a pod scheduled on a different node');
  return checkAudience(attributes, pod, attempt);
}

function admitOwnObject(attempt: Attempt, options: { what: string; namespace?: string }): void {
  const { attributes, node } = attempt;
  const name = attributes.name || attributes.object?.metadata?.name;
  if (options.namespace && attributes.namespace !== options.namespace) throw refuse(attempt, `can only access leases in the ${JSON.stringify(options.namespace)} system namespace`);
  if (name !== node) throw refuse(attempt, `can only access ${options.what} with the same name as the requesting node`);
}

function admitClaim(attempt: Attempt): void {
  const { attributes, read } = attempt;
  if (attributes.operation !== 'UPDATE' || attributes.subresource !== 'status') throw refuse(attempt, 'node can only update the status of persistentvolumeclaims');
  const [now, old] = [structuredClone(attributes.object), structuredClone(attributes.oldObject ?? read.get(PersistentVolumeClaims, attributes))];
  for (const claim of [now, old]) {
    delete claim.status;
    delete claim.metadata.resourceVersion;
    delete claim.metadata.managedFields;
  }
  if (!deepEqual(now, old)) throw refuse(attempt, `node ${JSON.stringify(attempt.node)} is not allowed to update fields other than status`);
}

/** Kubelets change only their own node, its pods and what belongs to them. */
export function nodeRestriction({ read, authorize }: Pick<Attempt, 'read' | 'authorize'>): AdmissionPlugin {
  const rules: Readonly<Record<string, (attempt: Attempt) => void | Promise<void>>> = {
    '/pods': admitPod,
    '/nodes': admitNode,
    '/persistentvolumeclaims': admitClaim,
    '/serviceaccounts': (attempt) => (attempt.attributes.subresource === 'token' ? admitToken(attempt) : undefined),
    'coordination.k8s.io/leases': (attempt) => admitOwnObject(attempt, { what: 'node lease', namespace: 'kube-node-lease' }),
    'certificates.k8s.io/certificatesigningrequests': ({ attributes, node }) => checkSigningRequest(attributes, node),
    'resource.k8s.io/resourceslices': ({ attributes, node }) => checkSlice(attributes, node),
    'storage.k8s.io/csinodes': (attempt) => admitOwnObject(attempt, { what: 'CSINode' }),
  };
  return {
    name: 'NodeRestriction',
    handles: ({ user, kind, operation }) => operation !== 'CONNECT' && user.groups.includes('system:nodes') && rules[`${kind.group}/${kind.resource}`] !== undefined,
    admit(attributes) {
      const node = nodeOf(attributes.user);
      if (node === undefined) return undefined;
      if (!node) throw forbidden(subjectOf(attributes), `could not determine node from user ${JSON.stringify(attributes.user.username)}`);
      return rules[`${attributes.kind.group}/${attributes.kind.resource}`]?.({ attributes, node, read, authorize });
    },
  };
}
