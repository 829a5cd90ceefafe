import { badRequest } from '@orrery/errors';
import { parseGoDuration } from '../identity/go-duration.ts';

/** How long a request may take: what its `timeout` asks for, and no more than the server allows. Throws 400. */
export function deadlineMs(query: URLSearchParams, maxMs: number): number {
  const asked = query.get('timeout');
  if (!asked) return maxMs;
  let ms: number;
  try {
    ms = parseGoDuration(asked);
  } catch (error) {
    throw badRequest(`invalid timeout specified in the request URL - ${(error as Error).message}`);
  }
  return ms > 0 && ms < maxMs ? ms : maxMs;
}
