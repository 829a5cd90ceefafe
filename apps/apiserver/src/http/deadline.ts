import { badRequest, timeout } from '@orrery/errors';

const unitMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const part = /^(\d+\.?\d*|\.\d+)([^\d.]*)/;

/** A duration as Go writes it, in milliseconds. Throws an Error in Go's words. */
export function parseGoDuration(text: string): number {
  const invalid = new Error(`time: invalid duration ${JSON.stringify(text)}`);
  const sign = text.startsWith('-') ? -1 : 1;
  let rest = text.replace(/^[-+]/, '');
  if (rest === '0') return 0;
  if (rest === '') throw invalid;
  let total = 0;
  while (rest !== '') {
    const match = part.exec(rest);
    if (!match) throw invalid;
    const [whole, number = '', unit = ''] = match;
    if (unit === '') throw new Error(`time: missing unit in duration ${JSON.stringify(text)}`);
    const factor = unitMs[unit];
    if (factor === undefined) throw new Error(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    total += Number(number) * factor;
    rest = rest.slice(whole.length);
  }
  // Go counts nanoseconds in 64 bits.
  if (total > 9_223_372_036_854.775) throw invalid;
  return sign * total;
}

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

/** What a request that took too long is told. */
export const outOfTime = timeout('Timeout: request did not complete within requested timeout - context deadline exceeded');
