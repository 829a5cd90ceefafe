import type { Container, Pod } from '@orrery/api/types';
import { quantityValue, parseQuantity } from '@orrery/apimachinery';
import { initContainers, isSidecar, mainContainers, uidOf } from '../pods/pod-spec.ts';

/** Devices that a container has been given. */
export interface Assignment {
  readonly podUid: string;
  readonly container: string;
  readonly resource: string;
  readonly ids: readonly string[];
}


/** A pod asks for devices that the node has not got. */
export class DeviceFault extends Error {}

/** Which devices there are and who has them. Pure; what plug-ins say is told to it. */
export class DeviceBook {
  private readonly resources = new Map<string, Map<string, boolean>>();
  private assignments: Assignment[];

  constructor(remembered: readonly Assignment[] = []) {
    this.assignments = [...remembered];
  }

  /** A plug-in says what it has: device ids, and whether each is healthy. */
  set(resource: string, devices: ReadonlyMap<string, boolean>): void {
    this.resources.set(resource, new Map(devices));
  }

  /** Pods that have devices of a resource. */
  holders(resource: string): string[] {
    return [...new Set(this.assignments.filter((one) => one.resource === resource).map(({ podUid }) => podUid))];
  }

  /** Undefined for a device that no plug-in has told of. */
  isHealthy(resource: string, id: string): boolean | undefined {
    return this.resources.get(resource)?.get(id);
  }

  /** A plug-in is gone: what it had is there, but nothing can be done with it. */
  disable(resource: string): void {
    const devices = this.resources.get(resource);
    for (const id of devices?.keys() ?? []) devices?.set(id, false);
  }

  /** It is gone for good: the node has none of it any more. */
  forget(resource: string): void {
    this.resources.set(resource, new Map());
  }

  knows(resource: string): boolean {
    return this.resources.has(resource);
  }

  capacity(): Record<string, string> {
    return Object.fromEntries([...this.resources].map(([resource, devices]) => [resource, String(devices.size)]));
  }

  allocatable(): Record<string, string> {
    return Object.fromEntries([...this.resources].map(([resource, devices]) => [resource, String([...devices.values()].filter(Boolean).length)]));
  }

  all(): readonly Assignment[] {
    return this.assignments;
  }

  of(podUid: string, container: string): Assignment[] {
    return this.assignments.filter((one) => one.podUid === podUid && one.container === container);
  }

  free(resource: string): string[] {
    const taken = new Set(this.assignments.filter((one) => one.resource === resource).flatMap(({ ids }) => ids));
    return [...(this.resources.get(resource) ?? [])].flatMap(([id, healthy]) => (healthy && !taken.has(id) ? [id] : []));
  }

  /** Gives each container of the pod its devices; those of init containers that end serve the ones after them. Throws DeviceFault, and gives none then. */
  assign(pod: Pod): void {
    if (this.resources.size === 0) return;
    const before = this.assignments;
    const podUid = uidOf(pod);
    const reusable = new Map<string, string[]>();
    try {
      for (const container of [...initContainers(pod), ...mainContainers(pod)]) {
        for (const [resource, count] of this.wanted(container)) {
          if (this.of(podUid, container.name).some((one) => one.resource === resource)) continue;
          const ids = this.pick(resource, { count, reusable: reusable.get(resource) ?? [] });
          this.assignments = [...this.assignments, { podUid, container: container.name, resource, ids }];
          const passesOn = initContainers(pod).includes(container) && !isSidecar(container);
          const left = (reusable.get(resource) ?? []).filter((id) => !ids.includes(id));
          reusable.set(resource, passesOn ? [...ids, ...left] : left);
        }
      }
    } catch (error) {
      this.assignments = before;
      throw error;
    }
  }

  /** What the plug-in may choose from for an assignment, and what it must keep: devices that another container of the pod has as well. */
  choice({ podUid, container, resource, ids }: Assignment): { available: string[]; mustInclude: string[] } {
    const shared = new Set(this.assignments.filter((one) => one.podUid === podUid && one.resource === resource && one.container !== container).flatMap((one) => one.ids));
    return { available: [...ids, ...this.free(resource)], mustInclude: ids.filter((id) => shared.has(id)) };
  }

  /** Gives a container other devices of the same number, as the plug-in prefers, as far as they are still to be had. */
  prefer(assignment: Assignment, preferred: readonly string[]): Assignment {
    const { available, mustInclude } = this.choice(assignment);
    const wanted = [...new Set([...mustInclude, ...preferred.filter((id) => available.includes(id)), ...assignment.ids])].slice(0, assignment.ids.length);
    const changed: Assignment = { ...assignment, ids: wanted };
    this.assignments = this.assignments.map((one) => (one === assignment ? changed : one));
    return changed;
  }

  release(podUid: string): boolean {
    const before = this.assignments.length;
    this.assignments = this.assignments.filter((one) => one.podUid !== podUid);
    return this.assignments.length < before;
  }

  private wanted(container: Container): [string, number][] {
    return Object.entries(container.resources?.limits ?? {})
      .filter(([name]) => this.resources.has(name))
      .map(([name, quantity]): [string, number] => [name, quantityValue(parseQuantity(quantity))])
      .filter(([, count]) => count > 0);
  }

  private pick(resource: string, { count, reusable }: { count: number; reusable: readonly string[] }): string[] {
    const devices = this.resources.get(resource) ?? new Map<string, boolean>();
    const choice = [...reusable, ...this.free(resource)];
    if (![...devices.values()].some(Boolean)) throw new DeviceFault(`no healthy devices present; cannot allocate unhealthy devices ${resource}`);
    if (choice.length < count) throw new DeviceFault(`requested number of devices unavailable for ${resource}. Requested: ${count}, Available: ${choice.length}`);
    return choice.slice(0, count);
  }
}
