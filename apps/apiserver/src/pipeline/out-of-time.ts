import { timeout } from '@orrery/errors';

/** What a request that took too long is told. */
export const outOfTime = timeout('Timeout: request did not complete within requested timeout - context deadline exceeded');
