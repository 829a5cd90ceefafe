const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];

/** strftime in UTC. */
export function formatDate(format: string, ms: number): string {
  const d = new Date(ms);
  const two = (n: number): string => String(n).padStart(2, '0');
  const [year, month, day] = [d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate()];
  const dayOfYear = Math.floor((Date.UTC(year, month, day) - Date.UTC(year, 0, 1)) / 86_400_000) + 1;
  const hour12 = d.getUTCHours() % 12 || 12;
  const codes: Readonly<Record<string, () => string>> = {
    Y: () => String(year), y: () => two(year % 100), C: () => two(Math.floor(year / 100)), m: () => two(month + 1), d: () => two(day), e: () => String(day).padStart(2),
    H: () => two(d.getUTCHours()), I: () => two(hour12), M: () => two(d.getUTCMinutes()), S: () => two(d.getUTCSeconds()), p: () => (d.getUTCHours() < 12 ? 'AM' : 'PM'),
    N: () => String(d.getUTCMilliseconds()).padStart(3, '0').padEnd(9, '0'), s: () => String(Math.floor(ms / 1000)), j: () => String(dayOfYear).padStart(3, '0'),
    a: () => (days[d.getUTCDay()] ?? '').slice(0, 3), A: () => days[d.getUTCDay()] ?? '', b: () => (months[month] ?? '').slice(0, 3), h: () => (months[month] ?? '').slice(0, 3), B: () => months[month] ?? '',
    u: () => String(d.getUTCDay() || 7), w: () => String(d.getUTCDay()), z: () => '+0000', Z: () => 'UTC', n: () => '\n', t: () => '\t', '%': () => '%',
    F: () => formatDate('%Y-%m-%d', ms), T: () => formatDate('%H:%M:%S', ms), R: () => formatDate('%H:%M', ms), D: () => formatDate('%m/%d/%y', ms), c: () => formatDate('%a %b %e %H:%M:%S %Y', ms), x: () => formatDate('%m/%d/%y', ms), X: () => formatDate('%H:%M:%S', ms), r: () => formatDate('%I:%M:%S %p', ms),
  };
  return format.replace(/%[-_0]?([a-zA-Z%])/g, (all, code: string) => codes[code]?.() ?? all);
}

/** `@seconds`, `2026-01-02 03:04:05`, ISO dates, `1 hour ago`-like offsets; undefined when not understood. */
export function parseDate(text: string, nowMs: number): number | undefined {
  if (/^@-?\d+$/.test(text)) return Number(text.slice(1)) * 1000;
  if (text === 'now') return nowMs;
  const offset = /^([-+]?\d+) (second|minute|hour|day|week)s?( ago)?$/.exec(text);
  if (offset) return nowMs + (offset[3] ? -1 : 1) * Number(offset[1]) * ({ second: 1, minute: 60, hour: 3600, day: 86400, week: 604800 }[offset[2] ?? ''] ?? 0) * 1000;
  if (/^\d{2}:\d{2}(:\d{2})?$/.test(text)) return parseDate(`${formatDate('%F', nowMs)} ${text}`, nowMs);
  const iso = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?(Z|[-+]\d{2}:?\d{2})?$/.exec(text);
  const ms = iso ? Date.parse(`${iso[1]}T${iso[2] ?? '00:00'}${iso[2]?.length === 5 || !iso[2] ? ':00' : ''}${iso[3] ?? 'Z'}`) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
