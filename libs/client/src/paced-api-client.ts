import type { Clock } from '@orrery/runtime';
import type { ApiClient } from './api-client.ts';

export interface RequestPace {
  readonly clock: Clock;
  /** Requests a second; 0: as many as come up. */
  readonly qps: number;
  /** How many may be made at once after a pause; 0: twice `qps`. */
  readonly burst: number;
}

/** A client that waits before a request rather than to make more of them than agreed, as client-go's rate limiter does. Watches count once, at their start. */
export function withPace(api: ApiClient, { clock, qps, burst }: RequestPace): ApiClient {
  if (qps <= 0) return api;
  const most = Math.max(1, burst || 2 * qps);
  let tokens = most;
  let filledMs = clock.monotonic();
  /** Milliseconds until one may go; takes its turn at once, so that who comes later waits longer. */
  const turn = (): number => {
    const nowMs = clock.monotonic();
    tokens = Math.min(most, tokens + ((nowMs - filledMs) * qps) / 1000) - 1;
    filledMs = nowMs;
    return tokens >= 0 ? 0 : (-tokens * 1000) / qps;
  };
  const soon = async <T>(request: () => Promise<T>): Promise<T> => {
    const waitMs = turn();
    if (waitMs > 0) await clock.sleep(waitMs);
    return request();
  };
  return {
    get: (resource, key, options) => soon(() => api.get(resource, key, options)),
    list: (resource, options) => soon(() => api.list(resource, options)),
    create: (resource, object, options) => soon(() => api.create(resource, object, options)),
    createSubresource: (resource, key, subresource, body) => soon(() => api.createSubresource(resource, key, subresource, body)),
    update: (resource, object, options) => soon(() => api.update(resource, object, options)),
    patch: (resource, key, patch, options) => soon(() => api.patch(resource, key, patch, options)),
    delete: (resource, key, options) => soon(() => api.delete(resource, key, options)),
    deleteCollection: (resource, selection, options) => soon(() => api.deleteCollection(resource, selection, options)),
    watch(resource, options, sink) {
      const waitMs = turn();
      if (waitMs <= 0) return api.watch(resource, options, sink);
      let running: { stop(): void } | undefined;
      const timer = clock.after(waitMs, () => (running = api.watch(resource, options, sink)));
      return {
        stop() {
          timer.cancel();
          running?.stop();
        },
      };
    },
    close: () => api.close(),
  };
}
