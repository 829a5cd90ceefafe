import type { Faults, LinkFault } from '@orrery/vnet';
import type { Fault } from './fault.ts';
import { type DiskFault, DiskFaults } from './faulty-disk.ts';
import type { RequestFaults } from './network.ts';

/** One thing that is wrong with a process: exactly one of its clock, its disk, its links, its requests. */
export interface ProcessFault {
  readonly id: string;
  /** It takes the time to be so many milliseconds ahead of what it is. */
  readonly clockMs?: number;
  readonly disk?: DiskFault;
  /** Of a node's switch: the link between two nodes is cut (no `fault`; `oneWay`: only what goes from the first to the second), or does this to what passes. */
  readonly link?: { readonly from: string; readonly to: string; readonly oneWay?: boolean; readonly fault?: LinkFault };
  /** Of an API server: what befalls requests. */
  readonly request?: Fault;
}

/** All that is wrong with a process from now on, as the file says that it follows. */
export interface ToldFaults {
  /** Tells one telling from another: the process repeats it once it does as it is told. */
  readonly revision: string;
  readonly faults: readonly ProcessFault[];
}

export type LinkFaults = Pick<Faults, 'partition' | 'heal' | 'setLink'>;

/** What is wrong with this process, as it is told from outside. Its parts look here (`disk`, `clockOffsetMs`) or are told (`followLinks`, `followRequests`). */
export class ProcessFaults {
  readonly disk = new DiskFaults();
  clockOffsetMs = 0;
  private links: LinkFaults | undefined;
  private requests: RequestFaults | undefined;
  private readonly inForce = new Map<string, ProcessFault>();

  followLinks(links: LinkFaults): void {
    this.links = links;
    for (const fault of this.inForce.values()) if (fault.link) this.begin(fault);
  }

  followRequests(requests: RequestFaults): void {
    this.requests = requests;
    for (const fault of this.inForce.values()) if (fault.request) this.begin(fault);
  }

  /** Does as told: what is not named any more ends, what was in force before goes on undisturbed. */
  apply({ faults }: ToldFaults): void {
    const told = new Map(faults.map((fault) => [fault.id, fault]));
    for (const [id, fault] of this.inForce) {
      if (told.has(id)) continue;
      this.inForce.delete(id);
      this.end(fault);
    }
    for (const [id, fault] of told) {
      if (this.inForce.has(id)) continue;
      this.inForce.set(id, fault);
      this.begin(fault);
      this.clockOffsetMs += fault.clockMs ?? 0;
    }
  }

  private begin({ id, disk, link, request }: ProcessFault): void {
    if (disk) this.disk.add(id, disk);
    if (link?.fault) this.links?.setLink(link.from, link.to, link.fault);
    else if (link) this.links?.partition(link.from, link.to, link.oneWay === true);
    if (request) this.requests?.add(id, request);
  }

  private end({ id, clockMs, disk, link, request }: ProcessFault): void {
    this.clockOffsetMs -= clockMs ?? 0;
    if (disk) this.disk.remove(id);
    if (link?.fault) this.links?.setLink(link.from, link.to, {});
    else if (link) this.links?.heal(link.from, link.to, link.oneWay === true);
    if (request) this.requests?.remove(id);
  }
}

/** What a text that a process is told comes to. Throws an Error that says what is wrong with it. */
export function parseToldFaults(text: string): ToldFaults {
  const { revision, faults } = (JSON.parse(text) ?? {}) as Partial<ToldFaults>;
  if (typeof revision !== 'string' || !Array.isArray(faults)) throw new Error('faults are told as {"revision": "…", "faults": […]}');
  const kinds = ['clockMs', 'disk', 'link', 'request'] as const;
  for (const fault of faults as ProcessFault[]) {
    if (typeof fault.id !== 'string' || kinds.filter((kind) => fault[kind] !== undefined).length !== 1) throw new Error(`a fault has an id and one of ${kinds.join(', ')}: ${JSON.stringify(fault)}`);
  }
  return { revision, faults };
}

/** Keeps book of what processes were told, and tells them again with each change. */
export class ProcessFaultBook {
  private readonly tell: (component: string, told: ToldFaults) => Promise<void>;
  private readonly told = new Map<string, ProcessFault[]>();
  private count = 0;

  /** `tell` resolves once the process does as it is told. */
  constructor(tell: (component: string, told: ToldFaults) => Promise<void>) {
    this.tell = tell;
  }

  add(component: string, fault: ProcessFault): Promise<void> {
    return this.change(component, [...this.of(component).filter(({ id }) => id !== fault.id), fault]);
  }

  remove(component: string, id: string): Promise<void> {
    return this.change(component, this.of(component).filter((fault) => fault.id !== id));
  }

  private of(component: string): readonly ProcessFault[] {
    return this.told.get(component) ?? [];
  }

  private change(component: string, faults: ProcessFault[]): Promise<void> {
    this.told.set(component, faults);
    return this.tell(component, { revision: String(++this.count), faults });
  }
}
