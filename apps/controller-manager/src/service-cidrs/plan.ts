import type { Condition, IPAddress, ServiceCIDR } from '@orrery/api/types';
import { type Cidr, cidrContains, parseCidr, parseIp } from '@orrery/vnet';

export const rangeFinalizer = 'networking.k8s.io/service-cidr-finalizer';

/** Allocators may not have heard of a deletion yet: the range stays for this long. */
export const deletionGraceMs = 10_000;

const managedBy = 'ipaddress.kubernetes.io/managed-by';
const allocator = 'ipallocator.k8s.io';
const terminatingMessage = 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR';
const readyMessage = 'Kubernetes Service CIDR is ready';

/** The ranges of a ServiceCIDR; what is none is left out. */
export function rangesOf({ spec }: ServiceCIDR): Cidr[] {
  return (spec?.cidrs ?? []).flatMap((text) => {
    try {
      return [parseCidr(text)];
    } catch {
      return [];
    }
  });
}

const holds = (outer: Cidr, inner: Cidr): boolean => outer.bits <= inner.bits && cidrContains(outer, { family: inner.family, value: inner.base });

/** Does any range of one lie in a range of the other? */
export function overlaps(one: ServiceCIDR, other: ServiceCIDR): boolean {
  return rangesOf(one).some((a) => rangesOf(other).some((b) => holds(a, b) || holds(b, a)));
}

/** Those that an address of a Service lies in; none for addresses that something else manages. */
export function holdersOf(address: IPAddress, all: Iterable<ServiceCIDR>): ServiceCIDR[] {
  const ip = address.metadata?.labels?.[managedBy] === allocator ? parseIp(address.metadata.name ?? '') : undefined;
  return ip ? [...all].filter((one) => rangesOf(one).some((range) => cidrContains(range, ip))) : [];
}

export interface Observed {
  readonly range: ServiceCIDR;
  readonly all: readonly ServiceCIDR[];
  readonly addresses: Iterable<IPAddress>;
}

/** All its ranges lie in others', or no address lies in it alone. */
function mayGo({ range, all, addresses }: Observed): boolean {
  const others = all.filter(({ metadata }) => metadata?.name !== range.metadata?.name);
  if (rangesOf(range).every((inner) => others.some((other) => rangesOf(other).some((outer) => holds(outer, inner))))) return true;
  for (const address of addresses) {
    const [first, second] = holdersOf(address, all);
    if (first?.metadata?.name === range.metadata?.name && !second) return false;
  }
  return true;
}

export interface Plan {
  /** The finalizers it should have; undefined: as they are. */
  readonly finalizers?: readonly string[];
  /** The condition Ready, where it is not that already. */
  readonly ready?: Omit<Condition, 'lastTransitionTime'>;
  /** Look again then. */
  readonly waitMs?: number;
}

function readyUnlessSo({ status }: ServiceCIDR, ready: Omit<Condition, 'lastTransitionTime'>): Pick<Plan, 'ready'> {
  const known = status?.conditions?.find(({ type }) => type === 'Ready');
  const isSo = known?.status === ready.status && (known?.reason ?? '') === (ready.reason ?? '') && known?.message === ready.message;
  return isSo ? {} : { ready };
}

/** Upstream's service-cidr-controller: ready while it lives, not to be removed while it alone holds an address of a Service. */
export function plan(observed: Observed, nowMs: number): Plan {
  const { range } = observed;
  const { deletionTimestamp, finalizers = [] } = range.metadata ?? {};
  const isProtected = finalizers.includes(rangeFinalizer);
  if (!deletionTimestamp) {
    return {
      ...(isProtected ? {} : { finalizers: [...finalizers, rangeFinalizer] }),
      ...readyUnlessSo(range, { type: 'Ready', status: 'True', reason: '', message: readyMessage }),
    };
  }
  if (!mayGo(observed)) return readyUnlessSo(range, { type: 'Ready', status: 'False', reason: 'Terminating', message: terminatingMessage });
  const waitMs = Date.parse(deletionTimestamp) + deletionGraceMs - nowMs;
  if (waitMs > 0) return { waitMs };
  return isProtected ? { finalizers: finalizers.filter((name) => name !== rangeFinalizer) } : {};
}
