import { parseQuantity, quantityMilliValue, quantityValue } from '@orrery/apimachinery';
import type { Container, Pod } from '@orrery/api/types';
import { initContainers, isSidecar, mainContainers, sidecars } from './pod-spec.ts';

/** Amounts by resource name: cpu in thousandths, the rest in whole units. */
export type Amounts = Map<string, number>;

export function amountOf(name: string, quantity: string): number {
  return name === 'cpu' ? quantityMilliValue(parseQuantity(quantity)) : quantityValue(parseQuantity(quantity));
}

export function amountsOf(list: Readonly<Record<string, string>> | undefined): Amounts {
  const amounts: Amounts = new Map();
  for (const name in list) amounts.set(name, amountOf(name, list[name] as string));
  return amounts;
}

function add(to: Amounts, list: Readonly<Record<string, string>> | undefined): void {
  for (const name in list) to.set(name, (to.get(name) ?? 0) + amountOf(name, list[name] as string));
}

function raise(to: Amounts, amounts: Amounts): void {
  for (const [name, amount] of amounts) to.set(name, Math.max(to.get(name) ?? 0, amount));
}

/** What a pod asks of its node: its containers at once, or the peak of its init containers if that is more. */
export function podRequests(pod: Pod): Amounts {
  const running: Amounts = new Map();
  const init = initContainers(pod);
  const peak: Amounts = init.length ? new Map() : running;
  for (const container of init) {
    if (isSidecar(container)) add(running, container.resources?.requests);
    const now = new Map(running);
    if (!isSidecar(container)) add(now, container.resources?.requests);
    raise(peak, now);
  }
  for (const { resources } of mainContainers(pod)) add(running, resources?.requests);
  if (init.length) raise(running, peak);
  const whole = pod.spec?.resources?.requests;
  for (const name in whole) running.set(name, amountOf(name, whole[name] as string));
  add(running, pod.spec?.overhead);
  return running;
}

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

const noPorts: readonly HostPort[] = [];
const hasPorts = ({ ports }: Container): boolean => ports?.some(({ hostPort }) => hostPort) ?? false;

export function hostPorts(pod: Pod): readonly HostPort[] {
  const beside = sidecars(pod);
  if (!mainContainers(pod).some(hasPorts) && !beside.some(hasPorts)) return noPorts;
  return [...beside, ...mainContainers(pod)].flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort, hostIP, protocol = 'TCP' }) => (hostPort ? [{ ip: hostIP ?? '', protocol, port: hostPort }] : [])),
  );
}

/** Totals of what the admitted pods of a node use. */
export class NodeLedger {
  private readonly pods = new Map<string, { requests: Amounts; ports: readonly HostPort[] }>();
  private readonly totals: Amounts = new Map();

  add(uid: string, pod: Pod): void {
    if (this.pods.has(uid)) return;
    const requests = podRequests(pod);
    this.pods.set(uid, { requests, ports: hostPorts(pod) });
    for (const [name, amount] of requests) this.totals.set(name, (this.totals.get(name) ?? 0) + amount);
  }

  /** Counts the pod anew, with other requests. */
  replace(uid: string, pod: Pod): void {
    this.remove(uid);
    this.add(uid, pod);
  }

  remove(uid: string): void {
    const entry = this.pods.get(uid);
    if (!entry) return;
    this.pods.delete(uid);
    for (const [name, amount] of entry.requests) this.totals.set(name, (this.totals.get(name) ?? 0) - amount);
  }

  has(uid: string): boolean {
    return this.pods.has(uid);
  }

  get count(): number {
    return this.pods.size;
  }

  used(name: string): number {
    return this.totals.get(name) ?? 0;
  }

  conflictsWith(ports: readonly HostPort[]): boolean {
    if (ports.length === 0) return false;
    const overlap = (a: HostPort, b: HostPort): boolean =>
      a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || ['', '0.0.0.0'].includes(a.ip) || ['', '0.0.0.0'].includes(b.ip));
    for (const entry of this.pods.values()) if (entry.ports.some((other) => ports.some((port) => overlap(port, other)))) return true;
    return false;
  }
}
