import { EndpointSlices, Services } from '@orrery/api';
import type { EndpointSlice, Service } from '@orrery/api/types';
import { type InformerFactory, keyOf } from '@orrery/client';
import type { Env } from '@orrery/runtime';
import type { ProxyMetrics } from './metrics.ts';

/** What changed since the last look, and the services themselves. */
export interface ServiceTracker {
  /** Services (by `namespace/name`) that changed, or whose slices did; each is told once. */
  take(): Set<string>;
  /** Puts back what could not be programmed. */
  putBack(keys: Iterable<string>): void;
  get(key: string): { service: Service; slices: readonly EndpointSlice[] } | undefined;
  keys(): Iterable<string>;
  /** Observes how long changes took from their triggers until now. */
  observeProgrammed(): void;
}

const serviceNameLabel = 'kubernetes.io/service-name';
const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';
const byService = 'service';

const ownerOf = ({ metadata }: EndpointSlice): string => `${metadata?.namespace ?? ''}/${metadata?.labels?.[serviceNameLabel] ?? ''}`;

export function createServiceTracker(env: Pick<Env, 'clock'>, options: { informers: InformerFactory; metrics: ProxyMetrics; changed: () => void }): ServiceTracker {
  const { informers, metrics, changed } = options;
  const services = informers.informer(Services);
  const slices = informers.informer(EndpointSlices, { indexers: { [byService]: (slice: EndpointSlice) => [ownerOf(slice)] } });
  let dirty = new Set<string>();
  let triggers: number[] = [];
  // What was there before this process came is no measure of it, as upstream has it.
  const since = env.clock.now();

  const touch = (kind: 'service' | 'endpoint', key: string): void => {
    metrics.changed(kind);
    dirty.add(key);
    changed();
  };
  const touchService = (service: Service): void => touch('service', keyOf(service));
  const touchSlice = (slice: EndpointSlice): void => {
    const trigger = Date.parse(slice.metadata?.annotations?.[triggerAnnotation] ?? '');
    if (trigger >= since) triggers.push(trigger);
    touch('endpoint', ownerOf(slice));
  };
  services.addHandlers({ add: touchService, update: touchService, delete: touchService });
  slices.addHandlers({
    add: touchSlice,
    update(slice, old) {
      if (ownerOf(old) !== ownerOf(slice)) touch('endpoint', ownerOf(old));
      touchSlice(slice);
    },
    delete: touchSlice,
  });
  return {
    take() {
      const taken = dirty;
      dirty = new Set();
      return taken;
    },
    putBack(keys) {
      for (const key of keys) dirty.add(key);
    },
    get(key) {
      const service = services.get(key);
      return service && { service, slices: [...slices.byIndex(byService, key)] };
    },
    *keys() {
      for (const service of services.list()) yield keyOf(service);
    },
    observeProgrammed() {
      const now = env.clock.now();
      for (const trigger of triggers) metrics.programmed(Math.max(0, now - trigger));
      triggers = [];
    },
  };
}
