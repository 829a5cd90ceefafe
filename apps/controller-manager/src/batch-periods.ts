import type { AnyController } from '@orrery/controller';
import { type Settings, periodMs } from './settings.ts';

const flagOf = {
  'endpoints-controller': 'endpointUpdatesBatchPeriod',
  'endpointslice-controller': 'endpointsliceUpdatesBatchPeriod',
  'endpointslice-mirroring-controller': 'mirroringEndpointsliceUpdatesBatchPeriod',
} as const satisfies Readonly<Record<string, keyof Settings>>;

/** The controller, which lets changes wait for others as long as its flag says; what is asked of itself does not wait. */
export function withBatchPeriod(definition: AnyController, settings: Settings): AnyController {
  const flag = (flagOf as Readonly<Record<string, keyof Settings | undefined>>)[definition.name];
  const batchMs = flag ? periodMs(settings, flag) : 0;
  if (batchMs === 0) return definition;
  const { coalesceMs } = definition;
  return { ...definition, coalesceMs: (key, context, change) => Math.max(change.asked ? 0 : batchMs, coalesceMs?.(key, context, change) ?? 0) };
}
