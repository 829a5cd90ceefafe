import type { Queue } from './queue.ts';
import { type QueuedRequest, serviceMs } from './queued-request.ts';

/** Virtual times of the last dispatch, in seat-milliseconds, for metrics: of the level, of the request, and over all queues that waited. */
export interface DispatchBounds {
  r: number;
  s: number;
  min: number;
  max: number;
  discountedMin: number;
  discountedMax: number;
}

export const noBounds: DispatchBounds = { r: 0, s: 0, min: 0, max: 0, discountedMin: 0, discountedMax: 0 };

/**
 * The oldest request of the queue where it would be done first in virtual time; of equals the one whose queue comes next
 * after `after`. Notes the bounds of what waits. Undefined when nothing waits.
 */
export function nextRequest(queues: readonly Queue[], after: number, bounds: DispatchBounds): { request: QueuedRequest; index: number } | undefined {
  Object.assign(bounds, { min: Infinity, max: -Infinity, discountedMin: Infinity, discountedMax: -Infinity });
  let request: QueuedRequest | undefined;
  let index = after;
  let firstDone = Infinity;
  for (let i = 1; i <= queues.length; i++) {
    const at = (after + i) % queues.length;
    const queue = queues[at] as Queue;
    const head = queue.oldest;
    if (!head) continue;
    const discounted = queue.nextDispatchR - queue.seatsInUse * serviceMs;
    bounds.min = Math.min(bounds.min, queue.nextDispatchR);
    bounds.max = Math.max(bounds.max, queue.nextDispatchR);
    bounds.discountedMin = Math.min(bounds.discountedMin, discounted);
    bounds.discountedMax = Math.max(bounds.discountedMax, discounted);
    const done = queue.nextDispatchR + head.totalWork;
    if (done < firstDone) [request, firstDone, index] = [head, done, at];
  }
  return request && { request, index };
}
