import type { Clock } from '@orrery/runtime';
import { formatEndpoint } from './address.ts';
import { type DialOptions, type Endpoint, NetError } from './net.ts';

/** How long a connection attempt waits where nothing answers. */
export const connectTimeoutMs = 30_000;

export function refused(to: Endpoint): NetError {
  return new NetError('ECONNREFUSED', `dial tcp ${formatEndpoint(to)}: connect: connection refused`);
}

export function unreachable(to: Endpoint): NetError {
  return new NetError('EHOSTUNREACH', `dial tcp ${formatEndpoint(to)}: connect: no route to host`);
}

function timeout(to: Endpoint): NetError {
  return new NetError('ETIMEDOUT', `dial tcp ${formatEndpoint(to)}: i/o timeout`);
}

/** Rejects with ETIMEDOUT when `promise` takes longer than the dial may, or with the signal's reason. */
export async function withinTime<T>(clock: Clock, promise: Promise<T>, options: DialOptions & { to: Endpoint }): Promise<T> {
  const { to, signal, timeoutMs = connectTimeoutMs } = options;
  signal?.throwIfAborted();
  return new Promise<T>((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => finish(() => reject(timeout(to))));
    const onAbort = (): void => finish(() => reject(signal?.reason as Error));
    const finish = (settle: () => void): void => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    promise.then(
      (value) => finish(() => resolve(value)),
      (error: Error) => finish(() => reject(error)),
    );
  });
}

/** A dial into silence. */
export function timedOut(clock: Clock, to: Endpoint, options: DialOptions): Promise<never> {
  return withinTime(clock, new Promise<never>(() => undefined), { ...options, to });
}
