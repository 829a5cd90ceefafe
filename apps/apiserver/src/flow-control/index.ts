import type { PluginContext, PluginSet } from '../pipeline/index.ts';
import type { StoreFeed } from '../cache/store-feed.ts';
import type { Limits } from '../limits.ts';
import { FlowConfiguration } from './configuration.ts';
import { maintainDefaults, mandatoryObjects } from './default-objects.ts';
import { FlowController } from './flow-controller.ts';
import { FlowMetrics } from './flow-metrics.ts';
import { InFlight } from './in-flight.ts';
import { maxInFlight } from './max-in-flight.ts';
import { priorityAndFairness } from './priority-and-fairness.ts';
import { resourceSizes } from './resource-sizes.ts';
import { WatchTracker } from './watch-tracker.ts';

export interface FlowControlParts {
  readonly context: Pick<PluginContext, 'env' | 'config' | 'api' | 'read' | 'kinds'>;
  readonly feed: StoreFeed;
  readonly limits: Limits;
}

/**
 * Limits what the server works on at once: API Priority and Fairness, or plain limits when that is turned off. The default
 * objects are maintained only where bootstrap made them: a server without bootstrap objects lives by the mandatory ones.
 */
export function flowControl({ context, feed, limits }: FlowControlParts, options: { readonly maintains: boolean }): PluginSet {
  const { env, config, api, read, kinds } = context;
  const { maxReads: readOnly, maxWrites: mutating } = limits;
  const inFlight = new InFlight(env.metrics);
  if (!config.enablePriorityAndFairness) {
    return { startHooks: ['max-in-flight-filter'], flowControl: maxInFlight({ readOnly, mutating }, inFlight), start: (signal) => inFlight.start(env.clock, signal) };
  }
  const controller = new FlowController({ clock: env.clock, seats: readOnly + mutating, metrics: new FlowMetrics(env.metrics, env.clock), mandatory: mandatoryObjects });
  const sizeOf = resourceSizes(feed, kinds, env.clock);
  const configuration = new FlowConfiguration({ env, controller, api, read });
  return {
    startHooks: ['priority-and-fairness-filter'],
    flowControl: priorityAndFairness({ clock: env.clock, controller, inFlight, watches: new WatchTracker(), sizeOf, requestTimeoutMs: limits.requestMs }),
    bootstrap: [
      ...(options.maintains ? [{ name: 'priority-and-fairness-config-producer', run: () => maintainDefaults({ api, read }) }] : []),
      { name: 'priority-and-fairness-config-consumer', run: () => configuration.sync() },
    ],
    start(signal) {
      inFlight.start(env.clock, signal);
      configuration.start(signal, options);
    },
  };
}
