import { Pods, ResourceClaims } from '@orrery/api';
import type { AllocationResult, Container, DeviceRequest, Pod, ResourceClaim } from '@orrery/api/types';
import { isNotFound } from '@orrery/errors';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { PodInfo } from '../../cache/pod-info.ts';
import { wholeOf } from '../../cache/resources.ts';
import type { ExtendedResources } from '../../framework/extended-resources.ts';
import type { PluginHandle } from '../../framework/types.ts';

/** Tells a claim that the scheduler has made for a pod's extended resources. */
const annotation = 'resource.kubernetes.io/extended-resource-claim';

type Mapping = NonNullable<NonNullable<Pod['status']>['extendedResourceClaimStatus']>['requestMappings'][number];

/** What a pod asks of extended resources that nodes may meet with devices. */
export interface ExtendedWishes {
  /** Class of devices by resource. */
  readonly classes: ReadonlyMap<string, string>;
}

/** Undefined for most pods: they ask for nothing that a class of devices stands behind. */
export function wishesOf({ requests }: PodInfo, extended: ExtendedResources | undefined): ExtendedWishes | undefined {
  if (!requests.scalar || !extended?.version) return undefined;
  const classes = new Map<string, string>();
  for (const [resource, amount] of requests.scalar) {
    const className = amount > 0 ? extended.classOf(resource) : undefined;
    if (className !== undefined) classes.set(resource, className);
  }
  return classes.size ? { classes } : undefined;
}

/** Is it the node's own, by a device plug-in? */
const hasItself = ({ allocatable }: NodeInfo, resource: string): boolean => (allocatable.scalar?.get(resource) ?? 0) > 0;

interface Wanted {
  readonly request: DeviceRequest;
  readonly mapping: Mapping;
}

function* wantedBy(container: Container, index: number, { classes, node }: { classes: ReadonlyMap<string, string>; node: NodeInfo }): Iterable<Wanted> {
  const names = Object.keys(container.resources?.requests ?? {}).sort();
  for (const [place, resourceName] of names.entries()) {
    const deviceClassName = classes.get(resourceName);
    const count = wholeOf(container.resources?.requests?.[resourceName] ?? '0');
    if (deviceClassName === undefined || count === 0 || hasItself(node, resourceName)) continue;
    const requestName = `container-${index}-request-${place}`;
    yield { request: { name: requestName, exactly: { deviceClassName, allocationMode: 'ExactCount', count } }, mapping: { containerName: container.name, resourceName, requestName } };
  }
}

/** The claim that stands for a pod's extended resources on one node. */
export interface ExtendedClaim {
  readonly claim: ResourceClaim;
  readonly mappings: readonly Mapping[];
}

/** Undefined where the node has itself all that is asked for. Init containers come first, as upstream counts them. */
export function extendedClaimOn(pod: Pod, { classes }: ExtendedWishes, node: NodeInfo): ExtendedClaim | undefined {
  const wanted = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].flatMap((container, index) => [...wantedBy(container, index, { classes, node })]);
  if (wanted.length === 0) return undefined;
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  const owner = { apiVersion: 'v1', kind: Pods.kind, name, uid, controller: true, blockOwnerDeletion: true };
  const metadata = { generateName: `${name}-extended-resources-`, namespace, ownerReferences: [owner], annotations: { [annotation]: 'true' } };
  return { claim: { apiVersion: 'resource.k8s.io/v1', kind: ResourceClaims.kind, metadata, spec: { devices: { requests: wanted.map(({ request }) => request) } } }, mappings: wanted.map(({ mapping }) => mapping) };
}

/** The pod that a claim for extended resources was made for. */
export function extendedOwner({ metadata }: ResourceClaim): string | undefined {
  return metadata?.annotations?.[annotation] === 'true' ? metadata.ownerReferences?.find(({ controller }) => controller)?.uid : undefined;
}

/** Deletes a claim that its pod does not get to use. */
export async function dropClaim({ api }: PluginHandle, { metadata }: ResourceClaim): Promise<void> {
  try {
    await api.delete(ResourceClaims, { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Makes the claim, has the allocation written to it by `give`, and notes it in the pod's status. */
export async function bindExtended(handle: PluginHandle, pod: Pod, made: { readonly extended: ExtendedClaim; readonly allocation: AllocationResult; readonly give: (claim: ResourceClaim) => Promise<void> }): Promise<ResourceClaim> {
  const { namespace = '', name = '', uid } = pod.metadata ?? {};
  const creates = handle.env.metrics.counter('scheduler_resourceclaim_creates_total', 'Number of ResourceClaims creation requests within scheduler');
  const claim = await handle.api.create(ResourceClaims, made.extended.claim).catch((error: unknown) => {
    creates.inc({ status: 'failure' });
    throw error;
  });
  creates.inc({ status: 'success' });
  try {
    await made.give(claim);
    const extendedResourceClaimStatus = { requestMappings: made.extended.mappings, resourceClaimName: claim.metadata?.name ?? '' };
    await handle.api.patch(Pods, { namespace, name }, { metadata: { uid }, status: { extendedResourceClaimStatus } }, { type: 'application/merge-patch+json', subresource: 'status' });
    return claim;
  } catch (error) {
    await dropClaim(handle, claim);
    throw error;
  }
}
