import { type Bus, createNatsBus } from '@orrery/bus';
import type { TlsMaterial } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';

/** A bus over the NATS server at `url` (several separated by commas), with TLS where material is given. Comings and goings are logged; it connects by itself. */
export function connectBus(env: Pick<Env, 'clock' | 'log'>, url: string, tls?: TlsMaterial): Bus {
  const { clock, log } = env;
  const bus = createNatsBus({ url, clock, ...(tls ? { tls } : {}), onError: (error) => log.debug('NATS', { url, error }) });
  bus.onConnection((connected) => {
    if (connected) log.info('connected to NATS', { url });
    else log.warn('NATS is away: watches go over gRPC', { url });
  });
  return bus;
}
