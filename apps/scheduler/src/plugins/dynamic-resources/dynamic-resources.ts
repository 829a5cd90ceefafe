import { DeviceClasses, ResourceClaims, ResourceSlices } from '@orrery/api';
import type { AllocationResult, Pod, ResourceClaim } from '@orrery/api/types';
import type { KubeObject, Quantity } from '@orrery/apimachinery';
import type { Informer } from '@orrery/client';
import { parseGoDuration, rfc3339 } from '@orrery/runtime';
import type { NodeInfo } from '../../cache/node-info.ts';
import { type Status, failed, skip, unresolvable } from '../../framework/status.ts';
import { type ClusterEvent, type CycleState, type PluginHandle, definePlugin } from '../../framework/types.ts';
import { matchesNodeSelector } from '../node-selector.ts';
import { allocate } from './allocator.ts';
import { bindingMetrics, mustWait, untilReady } from './binding-conditions.ts';
import { bindClaim, giveBack, isReservedFor, noHelp } from './claim-writes.ts';
import { addConsumption } from './consumption.ts';
import { SelectorFailure, createDeviceSelectors } from './device-selectors.ts';
import { type Pools, devicesOn, heldBy, poolsOf } from './devices.ts';
import { type ExtendedClaim, type ExtendedWishes, bindExtended, dropClaim, extendedClaimOn, extendedOwner, wishesOf } from './extended-claim.ts';

const name = 'DynamicResources';
/** As the API allows. */
const maxReservations = 256;
const noDevices = unresolvable('cannot allocate all claims');
const outOfReach = unresolvable('resourceclaim not available on the node');

/** Claims of a pod by their names; a string tells what is amiss. A template whose claim is not needed gives none. */
function claimNames({ metadata, spec, status }: Pod): string[] | string {
  const names: string[] = [];
  for (const { name: entry, resourceClaimName, resourceClaimTemplateName } of spec?.resourceClaims ?? []) {
    if (resourceClaimName) names.push(resourceClaimName);
    else if (resourceClaimTemplateName) {
      const made = status?.resourceClaimStatuses?.find((one) => one.name === entry);
      if (!made) return `pod "${metadata?.namespace ?? ''}/${metadata?.name ?? ''}": ResourceClaim not created yet`;
      if (made.resourceClaimName) names.push(made.resourceClaimName);
    }
  }
  return names;
}

/** What claims have of devices. */
interface Usage {
  readonly held: Set<string>;
  readonly consumed: Map<string, Map<string, Quantity>>;
}

const noUsage = (): Usage => ({ held: new Set(), consumed: new Map() });

function addUsage({ held, consumed }: Usage, claim: Pick<ResourceClaim, 'status'>): void {
  for (const id of heldBy(claim)) held.add(id);
  addConsumption(consumed, claim);
}

/** What the waiting claims of a pod get on a node, and after those the claim for extended resources, if it takes one there. */
interface Allocated {
  readonly results: readonly AllocationResult[];
  readonly extended?: ExtendedClaim | undefined;
}

interface State {
  readonly allocated: readonly ResourceClaim[];
  readonly waiting: readonly ResourceClaim[];
  /** Extended resources of the pod that devices may stand for. */
  readonly wishes?: ExtendedWishes | undefined;
  readonly usage: Usage;
  readonly byNode: Map<string, Allocated>;
  /** Allocated claims whose devices some node cannot reach. */
  readonly unavailable: Set<ResourceClaim>;
  reserved?: Allocated;
  /** For extended resources. */
  made?: ResourceClaim;
}

/** Of a pod without claims. */
const nothing: State = { allocated: [], waiting: [], usage: noUsage(), byNode: new Map(), unavailable: new Set() };

const keyOf = ({ metadata }: KubeObject): string => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
/** Under which the allocation for a pod's extended resources is assumed: its claim has no uid yet. */
const extendedKey = (podUid: string): string => `extended/${podUid}`;


function watch(handle: PluginHandle) {
  const { informers, tell } = handle;
  const claims = informers.informer(ResourceClaims);
  const slices = informers.informer(ResourceSlices);
  const classes = informers.informer(DeviceClasses);
  const follow = <T extends KubeObject>(informer: Informer<T>, resource: ClusterEvent['resource']): void => {
    informer.addHandlers({
      add: (object) => tell({ resource, action: 'Add', object }),
      update: (object, old) => tell({ resource, action: 'Update', object, old }),
      delete: (object) => tell({ resource, action: 'Delete', object }),
    });
  };
  follow(claims, 'ResourceClaim');
  follow(slices, 'ResourceSlice');
  follow(classes, 'DeviceClass');
  handle.extended.follow(classes);
  let known: Pools | undefined;
  const changed = (): void => void (known = undefined);
  slices.addHandlers({ add: changed, update: changed, delete: changed });
  return { claims, classes, pools: (): Pools => (known ??= poolsOf(slices.list())) };
}

type Sources = ReturnType<typeof watch>;

/** The pod's claims, or why it has to wait. */
function claimsOf(pod: Pod, { claims }: Sources): ResourceClaim[] | string {
  const names = claimNames(pod);
  if (typeof names === 'string') return names;
  const found: ResourceClaim[] = [];
  for (const claimName of names) {
    const claim = claims.get(`${pod.metadata?.namespace ?? ''}/${claimName}`);
    if (!claim) return `resourceclaim.resource.k8s.io "${claimName}" not found`;
    if (claim.metadata?.deletionTimestamp) return `resourceclaim "${claimName}" is being deleted`;
    found.push(claim);
  }
  return found;
}

function missingClass(claims: readonly ResourceClaim[], { classes }: Sources): string | undefined {
  for (const claim of claims) {
    for (const request of claim.spec?.devices?.requests ?? []) {
      for (const { deviceClassName } of request.exactly ? [request.exactly] : (request.firstAvailable ?? [])) {
        if (!classes.has(deviceClassName)) return `request ${request.name}: device class ${deviceClassName} does not exist`;
      }
    }
  }
  return undefined;
}

/** Pods with resource claims go where devices meet them (structured parameters); allocations are written to the claims before binding. */
export const dynamicResources = definePlugin({
  name,
  create(handle, { bindingTimeout }) {
    const timeoutMs = parseGoDuration(bindingTimeout);
    const tell = bindingMetrics(handle);
    const sources = watch(handle);
    const matches = createDeviceSelectors();
    /** By claim: allocations on their way, not seen in the API yet. */
    const assumed = new Map<string, AllocationResult>();
    const stateOf = (state: CycleState): State | undefined => state.get(name) as State | undefined;
    const usageNow = (pod: Pod): Usage => {
      const usage = noUsage();
      for (const claim of sources.claims.list()) {
        const owner = extendedOwner(claim);
        if (claim.status?.allocation) assumed.delete(owner === undefined ? (claim.metadata?.uid ?? '') : extendedKey(owner));
        // What an earlier attempt left behind goes when the pod is bound.
        if (owner === undefined || owner !== pod.metadata?.uid) addUsage(usage, claim);
      }
      for (const allocation of assumed.values()) addUsage(usage, { status: { allocation } });
      return usage;
    };
    const isOurs = ({ pod }: { pod: Pod }, { object }: ClusterEvent): 'Queue' | 'Skip' => {
      const names = claimNames(pod);
      const claim = object as ResourceClaim;
      // Another's claim may have given devices back.
      return typeof names === 'string' || claim.metadata?.namespace !== pod.metadata?.namespace || names.includes(claim.metadata?.name ?? '') || !claim.status?.allocation ? 'Queue' : 'Skip';
    };
    const tryAllocate = (mine: State, pod: Pod, node: NodeInfo): Allocated | Status => {
      const extended = mine.wishes && extendedClaimOn(pod, mine.wishes, node);
      const claims = extended ? [...mine.waiting, extended.claim] : mine.waiting;
      if (claims.length === 0) return { results: [] };
      try {
        const found = allocate({
          claims,
          nodeName: node.name,
          on: devicesOn(node, sources.pools()),
          ...mine.usage,
          shareId: () => handle.env.random.uuid(),
          deviceClass: (className) => sources.classes.get(className),
          selects: (expression, { device, driver }) => matches(expression, device, driver),
        });
        return found ? { results: found, extended } : noDevices;
      } catch (error) {
        if (error instanceof SelectorFailure) return failed(error);
        throw error;
      }
    };
    /** The claim for extended resources, in place of one that an earlier attempt left behind. */
    const bindExtras = async (mine: State, pod: Pod): Promise<readonly ResourceClaim[]> => {
      const { extended, results = [] } = mine.reserved ?? {};
      const allocation = results.at(-1);
      if (!extended || !allocation) return [];
      for (const claim of sources.claims.list()) if (extendedOwner(claim) === pod.metadata?.uid) await dropClaim(handle, claim);
      mine.made = await bindExtended(handle, pod, { extended, allocation, give: (claim) => bindClaim(handle, pod, claim, allocation) });
      return mustWait(allocation.devices?.results) ? [mine.made] : [];
    };
    const bind = async (mine: State, pod: Pod, signal: AbortSignal): Promise<Status | undefined> => {
      const { waiting, allocated } = mine;
      const reserved = mine.reserved?.results;
      try {
        for (const [i, claim] of waiting.entries()) await bindClaim(handle, pod, sources.claims.get(keyOf(claim)) ?? claim, reserved?.[i]);
        const extras = await bindExtras(mine, pod);
        for (const claim of allocated) await bindClaim(handle, pod, sources.claims.get(keyOf(claim)) ?? claim, undefined);
        const waits = [...waiting.filter((_claim, i) => mustWait(reserved?.[i]?.devices?.results)), ...allocated.filter(({ status }) => mustWait(status?.allocation?.devices?.results)), ...extras];
        const claims = waits.map(({ metadata }) => ({ namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' }));
        return claims.length ? await untilReady(handle, { pod, claims, timeoutMs, tell }, signal) : undefined;
      } catch (error) {
        return failed(new Error(`running PreBind plugin "${name}": ${(error as Error).message}`));
      }
    };
    return {
      name,
      events: [
        { resource: 'ResourceClaim', actions: ['Add', 'Update', 'Delete'], hint: isOurs },
        { resource: 'ResourceSlice', actions: ['Add', 'Update'] },
        { resource: 'DeviceClass', actions: ['Add', 'Update'] },
        { resource: 'Pod', actions: ['Update'], hint: ({ pod }, { object }) => ((object as Pod).metadata?.uid === pod.metadata?.uid ? 'Queue' : 'Skip') },
        { resource: 'Node', actions: ['Add', 'Update'] },
      ],
      preEnqueue({ pod }) {
        if (!pod.spec?.resourceClaims?.length) return undefined;
        const claims = claimsOf(pod, sources);
        return typeof claims === 'string' ? unresolvable(claims) : undefined;
      },
      preFilter(state, info) {
        const { pod } = info;
        state.set(name, nothing);
        const wishes = wishesOf(info, handle.extended);
        if (!pod.spec?.resourceClaims?.length && !wishes) return skip;
        const claims = claimsOf(pod, sources);
        if (typeof claims === 'string') return unresolvable(claims);
        if (claims.length === 0 && !wishes) return skip;
        const waiting = claims.filter(({ status, metadata }) => !status?.allocation && !assumed.has(metadata?.uid ?? ''));
        const taken = claims.filter(({ status, metadata }) => !status?.allocation && assumed.has(metadata?.uid ?? ''));
        if (taken.length) return unresolvable('resourceclaim in use');
        const missing = missingClass(waiting, sources);
        if (missing) return unresolvable(missing);
        const allocated = claims.filter(({ status }) => status?.allocation);
        if (allocated.some((claim) => !isReservedFor(claim, pod) && (claim.status?.reservedFor?.length ?? 0) >= maxReservations)) return unresolvable('resourceclaim in use');
        state.set(name, { allocated, waiting, wishes, usage: waiting.length || wishes ? usageNow(pod) : noUsage(), byNode: new Map(), unavailable: new Set() } satisfies State);
        return undefined;
      },
      filter(state, { pod }, node) {
        const mine = stateOf(state);
        if (!mine) return undefined;
        let reached = true;
        for (const claim of mine.allocated) {
          const place = claim.status?.allocation?.nodeSelector;
          if (!place || matchesNodeSelector(place, node)) continue;
          mine.unavailable.add(claim);
          reached = false;
        }
        if (!reached) return outOfReach;
        if (mine.waiting.length === 0 && !mine.wishes) return undefined;
        const found = tryAllocate(mine, pod, node);
        if ('code' in found) return found;
        mine.byNode.set(node.name, found);
        return undefined;
      },
      postFilter(state, { pod }) {
        const mine = stateOf(state);
        // An earlier plugin has refused the pod altogether.
        if (!mine) return { message: 'not found', failed: true };
        if (mine === nothing) return { message: 'no new claims to deallocate' };
        return mine.unavailable.size ? giveBack(handle, pod, mine.unavailable) : { message: noHelp };
      },
      reserve(state, { pod }, nodeName) {
        const mine = stateOf(state);
        if (!mine || (mine.waiting.length === 0 && !mine.wishes)) return undefined;
        const node = handle.snapshot().get(nodeName);
        // A nominated node was judged in a state of its own.
        const found = mine.byNode.get(nodeName) ?? (node ? tryAllocate(mine, pod, node) : failed(new Error(`node "${nodeName}" not found`)));
        if ('code' in found) return found;
        const results = found.results.map((one) => (mustWait(one.devices?.results) ? { ...one, allocationTimestamp: rfc3339(handle.env.clock.now()) } : one));
        mine.reserved = { ...found, results };
        results.forEach((result, i) => assumed.set(mine.waiting[i]?.metadata?.uid ?? extendedKey(pod.metadata?.uid ?? ''), result));
        return undefined;
      },
      unreserve(state, { pod }) {
        const mine = stateOf(state);
        if (!mine?.reserved) return;
        for (const { metadata } of mine.waiting) assumed.delete(metadata?.uid ?? '');
        if (mine.reserved.extended) assumed.delete(extendedKey(pod.metadata?.uid ?? ''));
        if (mine.made) dropClaim(handle, mine.made).catch((error: unknown) => handle.env.log.warn('claim for extended resources was not deleted', { pod: keyOf(pod), error }));
      },
      preBind(state, { pod }, _nodeName, signal) {
        const mine = stateOf(state);
        return mine && mine !== nothing ? bind(mine, pod, signal) : undefined;
      },
    };
  },
});
