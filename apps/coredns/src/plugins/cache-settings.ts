import { type Line, argumentError, duration, durationOrSeconds, errorAt, integer, noArguments, zonesOf } from './plugin.ts';

interface Limits {
  capacity: number;
  /** Seconds. */
  ttl: number;
  minTtl: number;
  /** Zones whose replies are not kept. */
  disabled: readonly string[];
}

export interface CacheSettings {
  zones: readonly string[];
  success: Limits;
  denial: Limits;
  /** Seconds; 0: failures are not kept. */
  servfailTtl: number;
  prefetch: { amount: number; withinMs: number; percentage: number };
  /** How long after its end a reply may still be given; 0: never. */
  staleMs: number;
  /** Ask first, and give the old reply only when nobody answers. */
  staleVerify: boolean;
  keepTtl: boolean;
}

const capacity = 9984;
const maxServfailSeconds = 300;

function limits(line: Line, into: Limits): void {
  const [cap, ttl, min] = line.args;
  if (!cap || line.args.length > 3) throw argumentError(line);
  into.capacity = integer(cap);
  if (ttl) {
    into.ttl = integer(ttl);
    if (into.ttl <= 0) throw errorAt(ttl, `cache TTL can not be zero or negative: ${into.ttl}`);
  }
  if (min) {
    into.minTtl = integer(min);
    if (into.minTtl < 0) throw errorAt(min, `cache min TTL can not be negative: ${into.minTtl}`);
  }
}

function prefetch(line: Line, settings: CacheSettings): void {
  const [amount, within, percentage] = line.args;
  if (!amount || line.args.length > 3) throw argumentError(line);
  settings.prefetch.amount = integer(amount);
  if (settings.prefetch.amount < 0) throw errorAt(amount, `prefetch amount should be positive: ${settings.prefetch.amount}`);
  if (within) settings.prefetch.withinMs = duration(within);
  if (!percentage) return;
  if (!percentage.text.endsWith('%')) throw errorAt(percentage, `last character of percentage should be \`%\`, but is: ${JSON.stringify(percentage.text.at(-1))}`);
  const share = integer({ ...percentage, text: percentage.text.slice(0, -1) });
  if (share < 10 || share > 90) throw errorAt(percentage, `percentage should fall in range [10, 90]: ${share}`);
  settings.prefetch.percentage = share;
}

function serveStale(line: Line, settings: CacheSettings): void {
  const [period, mode] = line.args;
  if (line.args.length > 2) throw argumentError(line);
  settings.staleMs = period ? duration(period) : 3_600_000;
  if (settings.staleMs < 0) throw errorAt(line.name, 'invalid negative duration for serve_stale');
  if (mode && mode.text !== 'immediate' && mode.text !== 'verify') throw errorAt(mode, `invalid value for serve_stale refresh mode: ${mode.text}`);
  settings.staleVerify = mode?.text === 'verify';
}

const properties: Readonly<Record<string, (line: Line, settings: CacheSettings, ofBlock: readonly string[]) => void>> = {
  success: (line, settings) => limits(line, settings.success),
  denial: (line, settings) => limits(line, settings.denial),
  prefetch,
  serve_stale: serveStale,
  servfail(line, settings) {
    const [period] = line.args;
    if (!period || line.args.length > 1) throw argumentError(line);
    settings.servfailTtl = durationOrSeconds(period) / 1000;
    if (settings.servfailTtl < 0) throw errorAt(period, 'invalid negative ttl for servfail');
    if (settings.servfailTtl > maxServfailSeconds) throw errorAt(period, 'caching SERVFAIL responses over 5 minutes is not permitted');
  },
  disable(line, settings, ofBlock) {
    const [what, ...zones] = line.args;
    if (what?.text !== 'success' && what?.text !== 'denial') throw what ? errorAt(what, `cache type for disable must be "success" or "denial"`) : argumentError(line);
    settings[what.text].disabled = zonesOf(zones, ofBlock);
  },
  keepttl(line, settings) {
    noArguments(line);
    settings.keepTtl = true;
  },
};

/** `cache [TTL] [ZONES...] { ... }` */
export function parseCache(line: Line, ofBlock: readonly string[]): CacheSettings {
  const [first, ...others] = line.args;
  const hasTtl = first !== undefined && /^[+-]?\d+$/.test(first.text);
  const settings: CacheSettings = {
    zones: zonesOf(hasTtl ? others : line.args, ofBlock),
    success: { capacity, ttl: 3600, minTtl: 5, disabled: [] },
    denial: { capacity, ttl: 1800, minTtl: 5, disabled: [] },
    servfailTtl: 5,
    prefetch: { amount: 0, withinMs: 60_000, percentage: 10 },
    staleMs: 0,
    staleVerify: false,
    keepTtl: false,
  };
  if (hasTtl) {
    const ttl = integer(first);
    if (ttl <= 0) throw errorAt(first, `cache TTL can not be zero or negative: ${ttl}`);
    settings.success.ttl = ttl;
    settings.denial.ttl = ttl;
  }
  for (const property of line.block) {
    const read = properties[property.name.text];
    if (!read) throw argumentError(property);
    read(property, settings, ofBlock);
  }
  return settings;
}
