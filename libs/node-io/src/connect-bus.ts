import { type Bus, createNatsBus } from '@orrery/bus';
import type { Env } from '@orrery/runtime';

/** A bus over the NATS server at `url` (several separated by commas). Comings and goings are logged; it connects by itself. */
export function connectBus(env: Pick<Env, 'clock' | 'log'>, url: string): Bus {
  const { clock, log } = env;
  const bus = createNatsBus({ url, clock, onError: (error) => log.debug('NATS', { url, error }) });
  bus.onConnection((connected) => {
    if (connected) log.info('connected to NATS', { url });
    else log.warn('NATS is away: watches go over gRPC', { url });
  });
  return bus;
}
