import { queryFlag } from '../http/query-flag.ts';
import type { RequestInfo } from '../pipeline/request-info.ts';
import type { FlowSeries } from './flow-series.ts';
import type { PriorityLevel } from './priority-level.ts';
import { type Work, oneSeat } from './queued-request.ts';

/** What is known of a resource's objects: how many and how big (bytes) on average. */
export interface ResourceSize {
  readonly count: number;
  readonly averageBytes: number;
}

export interface EstimateSources {
  /** Undefined: no resource of this server's. */
  sizeOf(info: RequestInfo): ResourceSize | undefined;
  /** Watches that a write of this object wakes. */
  watchers(info: RequestInfo): number;
}

// Upstream's figures.
const maxListSeats = 100;
const maxMutatingSeats = 10;
const bytesPerSeat = 100_000;
/** A list out of the cache is streamed: it never holds more than this. */
const maxCacheListBytes = 1_000_000;
const watchersPerSeat = 10;
const eventMs = 5;

const mutating = new Set(['create', 'update', 'patch', 'delete']);

function bound(level: PriorityLevel, most: number): number {
  return level.maxSeats === 0 ? most : Math.min(level.maxSeats, most);
}

/** Seats by the bytes that are held at once. */
function listSeats(size: ResourceSize, info: RequestInfo, query: URLSearchParams): number {
  const limit = Number(query.get('limit') ?? 0);
  const asked = limit > 0 ? Math.min(limit, size.count) : size.count;
  const fromStore = info.verb === 'list' && (Boolean(query.get('continue')) || query.get('resourceVersionMatch') === 'Exact');
  const selects = Boolean(query.get('labelSelector') || query.get('fieldSelector'));
  const objects = info.name ? 1 : fromStore && selects ? Math.max(asked, size.count / 2) : asked;
  const bytes = objects * size.averageBytes;
  return Math.ceil((fromStore ? bytes : Math.min(bytes, maxCacheListBytes)) / bytesPerSeat);
}

function listWork(sources: EstimateSources, info: RequestInfo, { level, query }: { level: PriorityLevel; query: URLSearchParams }): Work {
  const size = sources.sizeOf(info);
  if (!size) return oneSeat;
  const seats = Math.max(1, Math.min(listSeats(size, info, query), bound(level, maxListSeats)));
  return seats === 1 ? oneSeat : { initialSeats: seats, finalSeats: 0, lingerMs: 0 };
}

/** Watchers are woken after the answer: that is charged as seats held a little longer. */
function writeWork(sources: EstimateSources, info: RequestInfo, { level, series }: { level: PriorityLevel; series: FlowSeries }): Work {
  const watchers = sources.watchers(info);
  series.histograms.watchCount.observe(watchers);
  if (watchers < watchersPerSeat) return oneSeat;
  const wanted = Math.ceil(watchers / watchersPerSeat);
  const seats = Math.min(wanted, bound(level, maxMutatingSeats));
  return { initialSeats: 1, finalSeats: seats, lingerMs: (wanted * eventMs) / seats };
}

/** How many seats a request takes, and for how long after its answer. */
export function estimate(sources: EstimateSources, request: { info: RequestInfo; query: URLSearchParams; level: PriorityLevel; series: FlowSeries }): Work {
  const { info, query } = request;
  if (info.verb === 'list' || (info.verb === 'watch' && queryFlag(query, 'sendInitialEvents'))) return listWork(sources, info, request);
  return mutating.has(info.verb) && info.isResource ? writeWork(sources, info, request) : oneSeat;
}
