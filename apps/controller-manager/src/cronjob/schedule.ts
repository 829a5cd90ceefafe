import { Cron } from 'croner';

/** When a CronJob is due. */
export interface Schedule {
  /** The first time strictly after `afterMs`, milliseconds since the epoch; undefined for never. */
  next(afterMs: number): number | undefined;
}

const units: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, 'µs': 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Go's duration syntax: `1h30m`. */
function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (!parts.length || parts.map(([whole]) => whole).join('') !== text) throw new Error(`failed to parse duration @every ${text}`);
  return parts.reduce((sum, [, value, unit]) => sum + Number(value) * (units[unit ?? ''] ?? 0), 0);
}

/**
 * A schedule as the CronJob API takes it: five fields, `@hourly` and the like, `@every 1h30m`. Where both day fields are
 * restricted either suffices. Throws an Error for what cannot be parsed, and for an unknown time zone.
 */
export function parseSchedule(text: string, timeZone: string | undefined): Schedule {
  const every = /^@every\s+(.+)$/.exec(text.trim());
  if (every) {
    const stepMs = Math.max(1000, Math.floor(parseDuration(every[1] ?? '') / 1000) * 1000);
    return { next: (afterMs) => Math.floor(afterMs / 1000) * 1000 + stepMs };
  }
  const fields = text.trim().split(/\s+/);
  if (!text.trim().startsWith('@') && fields.length !== 5) throw new Error(`expected exactly 5 fields, found ${fields.length}: ${JSON.stringify(fields)}`);
  const cron = new Cron(text.trim(), { paused: true, timezone: timeZone ?? 'Etc/UTC' });
  return {
    next(afterMs) {
      // croner counts whole seconds, and its reference is exclusive.
      return cron.nextRun(new Date(Math.floor(afterMs / 1000) * 1000))?.getTime();
    },
  };
}

export function isTimeZone(name: string): boolean {
  if (name === '' || name.toLowerCase() === 'local') return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export interface Due {
  /** The latest time that has passed and was not acted upon, if any. */
  readonly latestMs: number | undefined;
  /** More than a hundred times were missed. */
  readonly tooMany: boolean;
  readonly nextMs: number | undefined;
}

/** What is due between `fromMs` (exclusive) and now. Few steps even when very many times were missed. */
export function dueBetween(schedule: Schedule, fromMs: number, nowMs: number): Due {
  const first = schedule.next(fromMs);
  if (first === undefined || first > nowMs) return { latestMs: undefined, tooMany: false, nextMs: first };
  let latestMs = first;
  let count = 1;
  for (let next = schedule.next(latestMs); next !== undefined && next <= nowMs; next = schedule.next(latestMs)) {
    latestMs = next;
    if (++count <= 100) continue;
    // Look for the last one from close by instead of walking through all.
    for (let spanMs = 60_000; latestMs + spanMs < nowMs || spanMs === 60_000; spanMs *= 4) {
      const near = schedule.next(nowMs - spanMs);
      if (near === undefined || near > nowMs) continue;
      latestMs = near;
      break;
    }
    for (let later = schedule.next(latestMs); later !== undefined && later <= nowMs; later = schedule.next(latestMs)) latestMs = later;
    break;
  }
  return { latestMs, tooMany: count > 100, nextMs: schedule.next(nowMs) };
}
