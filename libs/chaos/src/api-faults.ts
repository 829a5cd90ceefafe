import { StatusError, modifiedConflict, internalError, serviceUnavailable, timeout, tooManyRequests } from '@orrery/errors';
import type { Clock, Random } from '@orrery/runtime';
import { type Fault, type RequestSelector } from './fault.ts';
import { type Verb } from './verbs.ts';

/** A request as faults see it. */
export interface FaultedRequest {
  readonly user: string;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

/** A fault of requests that is in force. */
export interface ActiveApiFault {
  readonly id: string;
  readonly fault: Fault;
}

/** A watch that is open, as faults reach it. */
export interface OpenWatch {
  readonly request: FaultedRequest;
  /** Ends it as the server does that ends a watch: its client begins again. */
  drop(): void;
}

export interface RunOptions<T> {
  readonly request: FaultedRequest;
  readonly run: () => Promise<T>;
  /** As `run`, but what comes of it goes nowhere: for writes whose sender is not told that they took effect. Default `run`. */
  readonly runUntold?: () => Promise<unknown>;
}

const reads = new Set(['get', 'list', 'watch']);
/** What this user asks always passes: it ends the faults. */
const exempt = 'orrery:chaos';
/** How long an `api-timeout` lasts unless said otherwise. */
const defaultTimeoutMs = 10_000;
const defaultDropMs = 5_000;
const retryAfterSeconds = 1;

/** The users that components act as, by the short names of components. */
const usersOf: Readonly<Record<string, readonly string[]>> = {
  scheduler: ['system:kube-scheduler'],
  'controller-manager': ['system:kube-controller-manager', 'system:serviceaccount:kube-system:*'],
  'cloud-controller-manager': ['system:cloud-controller-manager'],
  'csi-disk': ['system:csi-disk'],
  cloud: ['orrery:cloud'],
  'kube-proxy': ['system:kube-proxy'],
  coredns: ['system:coredns'],
  ingress: ['system:ingress'],
  'metrics-server': ['system:metrics-server'],
  kubelet: ['system:node:*'],
};

/** The components that ask things of the API server, by their short names. */
export const callers: readonly string[] = Object.keys(usersOf);

/** The users that a component acts as towards the API server; a name that is no component's is a user's. */
export function usersOfComponent(name: string): readonly string[] {
  const known = usersOf[name];
  if (known) return known;
  const node = /^kubelet-(.+)$/.exec(name)?.[1];
  return node ? [`system:node:${node}`] : [name];
}

function isUser(pattern: string, user: string): boolean {
  return pattern.endsWith('*') ? user.startsWith(pattern.slice(0, -1)) : pattern === user;
}

function matchesVerb(wanted: string, verb: string): boolean {
  if (wanted === 'read') return reads.has(verb);
  return wanted === 'write' ? !reads.has(verb) : wanted === verb;
}

function matchesResource(wanted: string, { group, resource, subresource }: FaultedRequest): boolean {
  const [whole = '', sub] = wanted.split('/');
  if (sub !== undefined && sub !== subresource) return false;
  return whole === '*' || whole === (group ? `${resource}.${group}` : resource) || whole === resource;
}

/** Is a request one of those that are selected? */
export function selectsRequest(selector: RequestSelector, request: FaultedRequest): boolean {
  const { verbs, resources, namespaces, users } = selector;
  if (request.user === exempt) return false;
  if (verbs?.length && !verbs.some((verb) => matchesVerb(verb, request.verb))) return false;
  if (resources?.length && !resources.some((resource) => matchesResource(resource, request))) return false;
  if (namespaces?.length && !namespaces.includes(request.namespace)) return false;
  return !users?.length || users.some((name) => usersOfComponent(name).some((user) => isUser(user, request.user)));
}

function failure(code: number, { group, resource, name }: FaultedRequest): StatusError {
  switch (code) {
    case 409:
      return modifiedConflict({ group, resource, name });
    case 429:
      return tooManyRequests('the server has received too many requests and has asked us to try again later', retryAfterSeconds);
    case 500:
      return internalError(new Error('injected by chaos'));
    case 503:
      return serviceUnavailable('the server is currently unable to handle the request');
    case 504:
      return timeout('request did not complete within requested timeout - context deadline exceeded');
    default:
      return new StatusError({ code, message: 'injected by chaos' });
  }
}

/**
 * The faults of an API server's requests that are in force. Costs a look at `active` while there are none. Chance comes from the `random`, so a
 * simulation meets the same faults each time.
 */
export class ApiFaults {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly faults = new Map<string, ActiveApiFault & { readonly ended: AbortController }>();
  private readonly open = new Set<OpenWatch>();
  /** The store's revision when stale reads began, by fault. */
  private readonly frozen = new Map<string, number>();
  private revision: () => number = () => 0;
  active = false;
  /** Requests that were struck, by the fault's id. */
  readonly struck = new Map<string, number>();

  constructor(env: { readonly clock: Clock; readonly random: Random }) {
    this.clock = env.clock;
    this.random = env.random;
  }

  /** Says how to learn the current revision, which stale reads are held at. */
  followRevision(revision: () => number): void {
    this.revision = revision;
  }

  list(): ActiveApiFault[] {
    return [...this.faults.values()].map(({ id, fault }) => ({ id, fault }));
  }

  /** Puts a fault in force; one of the same id is replaced. */
  add(id: string, fault: Fault): void {
    this.remove(id);
    const ended = new AbortController();
    this.faults.set(id, { id, fault, ended });
    this.struck.set(id, 0);
    if (fault.verb === 'stale-reads') this.frozen.set(id, this.revision());
    this.active = true;
    if (fault.verb === 'watch-delay' || holdsWatches(fault.verb)) this.dropWatches(fault);
    if (fault.verb === 'watch-drop') this.dropAgain({ id, fault, ended });
  }

  remove(id: string): boolean {
    const known = this.faults.get(id);
    this.faults.delete(id);
    this.frozen.delete(id);
    this.active = this.faults.size > 0;
    known?.ended.abort(new Error('the fault is over'));
    return known !== undefined;
  }

  clear(): void {
    for (const id of [...this.faults.keys()]) this.remove(id);
  }

  /** Registers an open watch; call what is returned when it ends. */
  watching(watch: OpenWatch): () => void {
    this.open.add(watch);
    return () => void this.open.delete(watch);
  }

  /** How long what a watch has to tell is kept back; 0: not at all. */
  watchDelayMs(request: FaultedRequest): number {
    let delay = 0;
    for (const { fault } of this.faults.values()) {
      if (fault.verb === 'watch-delay' && selectsRequest(fault.selector, request)) delay = Math.max(delay, fault.delayMs ?? 0);
    }
    return delay;
  }

  /** The revision that a read shall show; undefined: the present. */
  staleRevision(request: FaultedRequest): number | undefined {
    const { id } = this.drawn(request, (verb) => verb === 'stale-reads') ?? {};
    return id === undefined ? undefined : this.frozen.get(id);
  }

  /** Runs a request as the faults in force let it. Rejects with a StatusError where they do not. */
  async around<T>({ request, run, runUntold = run }: RunOptions<T>): Promise<T> {
    const struck = this.drawn(request, (verb) => verb === 'api-error' || verb === 'api-timeout' || verb === 'api-delay' || verb === 'pause' || verb === 'partition');
    if (!struck) return run();
    const { fault, ended } = struck;
    const when = fault.when ?? 'before';
    switch (fault.verb) {
      case 'api-delay':
        await this.clock.sleep((fault.delayMs ?? 0) + this.random.next() * (fault.jitterMs ?? 0));
        return run();
      case 'api-timeout':
        if (when === 'after') await runUntold();
        await this.clock.sleep(fault.delayMs ?? defaultTimeoutMs, ended.signal).catch(() => undefined);
        throw failure(504, request);
      case 'pause':
      case 'partition':
        if (when === 'after') await runUntold();
        await this.clock.sleep(fault.delayMs ?? defaultTimeoutMs, ended.signal).catch(() => undefined);
        // What was under way when it began is lost with its connection.
        throw serviceUnavailable('the connection to the server was lost');
      default:
        if (when === 'after') await runUntold();
        throw failure(fault.code ?? 500, request);
    }
  }

  /** A fault that strikes this request, by its share. */
  private drawn(request: FaultedRequest, wanted: (verb: Verb) => boolean): (ActiveApiFault & { readonly ended: AbortController }) | undefined {
    for (const active of this.faults.values()) {
      const { fault, id } = active;
      if (!wanted(fault.verb) || !selectsRequest(fault.selector, request)) continue;
      if (fault.percent !== undefined && this.random.next() * 100 >= fault.percent) continue;
      this.struck.set(id, (this.struck.get(id) ?? 0) + 1);
      return active;
    }
    return undefined;
  }

  private dropWatches({ selector, percent }: Fault): number {
    const struck = [...this.open].filter(({ request }) => selectsRequest(selector, request) && (percent === undefined || this.random.next() * 100 < percent));
    for (const watch of struck) watch.drop();
    return struck.length;
  }

  /** Watches that come back are ended again. */
  private dropAgain({ id, fault, ended }: { id: string; fault: Fault; ended: AbortController }): void {
    if (ended.signal.aborted) return;
    this.struck.set(id, (this.struck.get(id) ?? 0) + this.dropWatches(fault));
    const timer = this.clock.after(fault.delayMs || defaultDropMs, () => this.dropAgain({ id, fault, ended }));
    ended.signal.addEventListener('abort', () => timer.cancel(), { once: true });
  }
}

/** Those who cannot reach the server do not hear from it either. */
function holdsWatches(verb: Verb): boolean {
  return verb === 'pause' || verb === 'partition';
}
