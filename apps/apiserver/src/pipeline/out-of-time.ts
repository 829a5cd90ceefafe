import { StatusError, internalError, timeout } from '@orrery/errors';

/** What a request that took too long is told. */
export const outOfTime = timeout('Timeout: request did not complete within requested timeout - context deadline exceeded');

/** Nobody hears it: the client has gone. */
const cancelled = internalError('context canceled');

/** Between the steps of long work: throws when nobody waits for the rest of it. What is stored stays stored. */
export function checkWanted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw signal.reason instanceof StatusError ? signal.reason : cancelled;
}
