import type { Clock } from '@orrery/runtime';
import type { Load } from '../process/proc.ts';

interface Share {
  readonly amount: number;
  readonly untilMs: number;
}

export interface LoadOptions {
  readonly clock: Clock;
  /** Cores that are left for it now: the limit (or the node's) without what is used anyway. */
  readonly cores: () => number;
  /** CPU milliseconds that a request costs; 0: nothing. */
  readonly requestCpuMs: number;
  /** More memory is held than before. */
  readonly onMemory: () => void;
}

/** How long the rate that is told goes back. */
const rateWindowMs = 10_000;

/** Cores that work which waits gets at least, however little is left: nothing waits for ever. */
const smallestShare = 0.001;

const later = (list: readonly Share[], nowMs: number): Share[] => list.filter(({ untilMs }) => untilMs > nowMs);
const sum = (list: readonly Share[]): number => list.reduce((so, { amount }) => so + amount, 0);

/**
 * What the programs of a container use beyond its idle share, in CPU time and memory. Nothing ticks: what was asked for is spent
 * when somebody looks. CPU is throttled as time: work that does not fit into the limit waits and is done later.
 */
export class LoadMeter implements Load {
  private readonly options: LoadOptions;
  private burning: Share[] = [];
  private held: Share[] = [];
  private pendingMs = 0;
  private spentMs = 0;
  private atMs: number;
  /** Where the told rate begins. */
  private since: { readonly atMs: number; readonly spentMs: number };
  private before: { readonly atMs: number; readonly spentMs: number };

  constructor(options: LoadOptions) {
    this.options = options;
    this.atMs = options.clock.now();
    this.since = this.before = { atMs: this.atMs, spentMs: 0 };
  }

  request(): void {
    if (this.options.requestCpuMs > 0) this.work(this.options.requestCpuMs);
  }

  work(cpuMs: number): void {
    this.settle();
    this.pendingMs += cpuMs;
  }

  backlogMs(): number {
    this.settle();
    return this.pendingMs === 0 ? 0 : this.pendingMs / Math.max(this.options.cores() - sum(this.burning), smallestShare);
  }

  burn(cores: number, ms: number): void {
    this.settle();
    this.burning.push({ amount: cores, untilMs: this.atMs + ms });
  }

  hold(bytes: number, ms: number): void {
    const nowMs = this.options.clock.now();
    this.held = [...later(this.held, nowMs), { amount: bytes, untilMs: nowMs + ms }];
    this.options.onMemory();
  }

  /** CPU time spent so far, milliseconds. */
  cpuMs(): number {
    this.settle();
    return this.spentMs;
  }

  /** Cores used of late. */
  cores(): number {
    this.settle();
    const { atMs } = this;
    if (atMs - this.since.atMs >= 2 * rateWindowMs) this.since = this.before;
    if (atMs - this.before.atMs >= rateWindowMs) {
      this.since = this.before;
      this.before = { atMs, spentMs: this.spentMs };
    }
    const overMs = atMs - this.since.atMs;
    return overMs > 0 ? (this.spentMs - this.since.spentMs) / overMs : 0;
  }

  memoryBytes(): number {
    return sum(later(this.held, this.options.clock.now()));
  }

  /** Spends what there was to spend until now, a stretch between two ends of burning at a time. */
  private settle(): void {
    const nowMs = this.options.clock.now();
    const available = this.options.cores();
    while (this.atMs < nowMs) {
      const end = this.burning.reduce((so, { untilMs }) => Math.min(so, untilMs), nowMs);
      const stretchMs = end - this.atMs;
      const burnt = Math.min(available, sum(this.burning)) * stretchMs;
      const worked = Math.min(this.pendingMs, available * stretchMs - burnt);
      this.pendingMs -= worked;
      this.spentMs += burnt + worked;
      this.atMs = end;
      if (this.burning.length) this.burning = later(this.burning, end);
    }
  }
}
