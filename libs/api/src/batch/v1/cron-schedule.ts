interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const fields: readonly Field[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: months },
  { name: 'day of week', min: 0, max: 6, names: days },
];

const descriptors = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']);

function parseNumber(text: string, field: Field): number | string {
  const named = field.names?.indexOf(text.toLowerCase()) ?? -1;
  if (named >= 0) return named + field.min;
  return /^\d+$/.test(text) ? Number(text) : `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
}

/** What is wrong with one of the comma-separated parts of a field, e.g. `1-5/2`. */
function rangeProblem(part: string, field: Field): string | undefined {
  const [range = '', step, more] = part.split('/');
  const [low = '', high, extra] = range.split('-');
  if (more !== undefined) return `too many slashes: ${part}`;
  if (extra !== undefined) return `too many hyphens: ${part}`;
  const any = low === '*' || low === '?';
  const start = any ? field.min : parseNumber(low, field);
  if (typeof start === 'string') return start;
  const end = any || (step !== undefined && high === undefined) ? field.max : high === undefined ? start : parseNumber(high, field);
  if (typeof end === 'string') return end;
  if (step !== undefined) {
    if (!/^\d+$/.test(step)) return `failed to parse int from ${step}: strconv.Atoi: parsing ${JSON.stringify(step)}: invalid syntax`;
    if (Number(step) === 0) return `step of range should be a positive number: ${part}`;
  }
  if (start < field.min) return `beginning of range (${start}) below minimum (${field.min}): ${part}`;
  if (end > field.max) return `end of range (${end}) above maximum (${field.max}): ${part}`;
  return start > end ? `beginning of range (${start}) beyond end of range (${end}): ${part}` : undefined;
}

/** What is wrong with a cron schedule, in the words of the parser that upstream uses; undefined when nothing is. */
export function scheduleProblem(text: string): string | undefined {
  const zone = /^(?:TZ|CRON_TZ)=(\S*)/.exec(text);
  if (zone && !isTimeZone(zone[1] ?? '')) return `provided bad location ${zone[1] ?? ''}: unknown time zone ${zone[1] ?? ''}`;
  const schedule = zone ? text.slice(zone[0].length).trim() : text;
  if (schedule === '') return 'empty spec string';
  if (schedule.startsWith('@')) {
    if (descriptors.has(schedule)) return undefined;
    const every = /^@every (.+)$/.exec(schedule)?.[1];
    if (every === undefined) return `unrecognized descriptor: ${schedule}`;
    return /^([0-9.]+(ns|us|µs|ms|s|m|h))+$/.test(every) ? undefined : `failed to parse duration ${schedule}: time: invalid duration ${JSON.stringify(every)}`;
  }
  const parts = schedule.split(/\s+/).filter((part) => part !== '');
  if (parts.length !== fields.length) return `expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`;
  for (const [i, field] of fields.entries()) {
    for (const part of (parts[i] ?? '').split(',')) {
      const problem = rangeProblem(part, field);
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

/** Is this the name of a time zone that the platform knows? */
export function isTimeZone(name: string): boolean {
  if (name.toLowerCase() === 'utc') return true;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
