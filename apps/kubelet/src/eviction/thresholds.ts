import { compareQuantity, parseQuantity, quantityAsNumber, zeroQuantity } from '@orrery/apimachinery';
import { parseGoDuration } from '@orrery/runtime';

/** What is watched, how it counts, and the node condition that tells of it. */
export const signals = {
  'memory.available': { resource: 'memory', condition: 'MemoryPressure' },
  'allocatableMemory.available': { resource: 'memory', condition: 'MemoryPressure' },
  'nodefs.available': { resource: 'ephemeral-storage', condition: 'DiskPressure' },
  'nodefs.inodesFree': { resource: 'inodes', condition: 'DiskPressure' },
  'imagefs.available': { resource: 'ephemeral-storage', condition: 'DiskPressure' },
  'imagefs.inodesFree': { resource: 'inodes', condition: 'DiskPressure' },
  'containerfs.available': { resource: 'ephemeral-storage', condition: 'DiskPressure' },
  'containerfs.inodesFree': { resource: 'inodes', condition: 'DiskPressure' },
  'pid.available': { resource: 'pids', condition: 'PIDPressure' },
} as const;

export type Signal = keyof typeof signals;
export type StarvedResource = (typeof signals)[Signal]['resource'];
export type Pressure = (typeof signals)[Signal]['condition'];

/** An amount, or a share of the capacity (0 to 1). */
export type Limit = { readonly amount: number } | { readonly share: number };

/** Too little is left of something. */
export interface Threshold {
  readonly signal: Signal;
  readonly limit: Limit;
  /** How long it must be so; 0 for a hard threshold. */
  readonly graceMs: number;
  readonly isHard: boolean;
  /** How much more than the limit has to be free before the threshold counts as resolved. */
  readonly reclaim: Limit | undefined;
}

export interface ThresholdTexts {
  readonly hard: Readonly<Record<string, string>>;
  readonly soft: Readonly<Record<string, string>>;
  readonly softGracePeriods: Readonly<Record<string, string>>;
  readonly minimumReclaims: Readonly<Record<string, string>>;
  /** What holds for the node's memory holds for the pods' share of it too. Default true. */
  readonly forPods?: boolean;
}

export function limitAmount(limit: Limit, capacity: number): number {
  return 'amount' in limit ? limit.amount : Math.floor(limit.share * capacity);
}

function knownSignal(text: string): Signal {
  if (!Object.hasOwn(signals, text)) throw new Error(`unsupported eviction signal ${text}`);
  return text as Signal;
}

function percentage(text: string): number {
  const digits = text.replace(/%+$/, '');
  const value = Number(digits);
  if (digits === '' || Number.isNaN(value)) throw new Error(`strconv.ParseFloat: parsing ${JSON.stringify(digits)}: invalid syntax`);
  return value / 100;
}

/** Undefined: to be ignored, as 0% and 100% are. */
function thresholdLimit(signal: Signal, text: string): Limit | undefined {
  if (text.endsWith('%')) {
    if (text === '0%' || text === '100%') return undefined;
    const share = percentage(text);
    if (share < 0) throw new Error(`eviction percentage threshold ${signal} must be >= 0%: ${text}`);
    if (share > 1) throw new Error(`eviction percentage threshold ${signal} must be <= 100%: ${text}`);
    return { share };
  }
  const quantity = parseQuantity(text);
  if (compareQuantity(quantity, zeroQuantity) <= 0) throw new Error(`eviction threshold ${signal} must be positive: ${text}`);
  return { amount: quantityAsNumber(quantity) };
}

function reclaimLimit(signal: Signal, text: string): Limit {
  if (text.endsWith('%')) {
    const share = percentage(text);
    if (share <= 0) throw new Error(`eviction percentage minimum reclaim ${signal} must be positive: ${text}`);
    return { share };
  }
  const quantity = parseQuantity(text);
  if (compareQuantity(quantity, zeroQuantity) < 0) throw new Error(`negative eviction minimum reclaim specified for ${signal}`);
  return { amount: quantityAsNumber(quantity) };
}

function gracePeriod(text: string): number {
  const periodMs = parseGoDuration(text);
  if (periodMs < 0) throw new Error(`invalid eviction grace period specified: ${text}, must be a positive value`);
  return periodMs;
}

/** Reads thresholds as KubeletConfiguration has them. Throws with upstream's words. */
export function parseThresholds({ hard, soft, softGracePeriods, minimumReclaims, forPods = true }: ThresholdTexts): Threshold[] {
  const graces = new Map(Object.entries(softGracePeriods).map(([signal, text]) => [knownSignal(signal), gracePeriod(text)]));
  const reclaims = new Map(Object.entries(minimumReclaims).map(([signal, text]) => [knownSignal(signal), reclaimLimit(knownSignal(signal), text)]));
  const read = (texts: Readonly<Record<string, string>>, isHard: boolean): Threshold[] =>
    Object.entries(texts).flatMap(([name, text]) => {
      const signal = knownSignal(name);
      const limit = thresholdLimit(signal, text);
      if (!limit) return [];
      const graceMs = isHard ? 0 : graces.get(signal);
      if (graceMs === undefined) throw new Error(`grace period must be specified for the soft eviction threshold ${signal}`);
      return [{ signal, limit, graceMs, isHard, reclaim: reclaims.get(signal) }];
    });
  const all = [...read(hard, true), ...read(soft, false)];
  const ofPods = (forPods ? all : []).filter(({ signal, isHard }) => signal === 'memory.available' && isHard).map((threshold) => ({ ...threshold, signal: 'allocatableMemory.available' as const }));
  return [...all, ...ofPods];
}
