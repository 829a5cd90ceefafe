const unitMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const part = /^(\d+\.?\d*|\.\d+)([^\d.]*)/;
/** Go counts nanoseconds in 64 bits. */
const mostMs = 9_223_372_036_854.775;

/** Milliseconds of a duration as Go writes it (`1h30m`, `500ms`, `0`). Throws with Go's words for anything else. */
export function parseGoDuration(text: string): number {
  const quoted = JSON.stringify(text);
  const sign = text.startsWith('-') ? -1 : 1;
  let rest = text.replace(/^[+-]/, '');
  if (rest === '0') return 0;
  let total = 0;
  do {
    const [whole, amount = '', unit = ''] = part.exec(rest) ?? [];
    if (whole === undefined) throw new Error(`time: invalid duration ${quoted}`);
    if (unit === '') throw new Error(`time: missing unit in duration ${quoted}`);
    const factor = unitMs[unit];
    if (factor === undefined) throw new Error(`time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`);
    total += Number(amount) * factor;
    rest = rest.slice(whole.length);
  } while (rest !== '');
  if (total > mostMs) throw new Error(`time: invalid duration ${quoted}`);
  return sign * total;
}

/** Milliseconds as Go prints a duration: `1m30s`, `500ms`. */
export function formatGoDuration(ms: number): string {
  if (ms === 0) return '0s';
  const [sign, left] = ms < 0 ? ['-', -ms] : ['', ms];
  if (left < 1000) return `${sign}${left}ms`;
  const [hours, minutes, seconds] = [Math.floor(left / 3_600_000), Math.floor(left / 60_000) % 60, (left % 60_000) / 1000];
  return `${sign}${hours ? `${hours}h` : ''}${hours || minutes ? `${minutes}m` : ''}${seconds}s`;
}
