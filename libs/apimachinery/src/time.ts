/** Not RFC 3339; the message is the one Go's time.Parse gives. */
export class TimeError extends Error {}

const pattern = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?(Z|[+-]\d{2}:\d{2})$/;
const layout = '2006-01-02T15:04:05Z07:00';
const microLayout = '2006-01-02T15:04:05.000000Z07:00';

export interface Instant {
  /** Whole seconds since the epoch, rounded down. */
  readonly seconds: number;
  readonly nanos: number;
}

/** Parses RFC 3339. Throws TimeError. */
export function parseTime(text: string, options: { micro?: boolean } = {}): Instant {
  const match = pattern.exec(text);
  if (!match) throw syntaxError(text, options.micro ? microLayout : layout);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const fraction = (match[7] ?? '').slice(0, 9).padEnd(9, '0');
  const zone = match[8] ?? 'Z';
  const daysInMonth = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
  const outOfRange = (what: string): TimeError => new TimeError(`parsing time ${JSON.stringify(text)}: ${what} out of range`);
  if (month < 1 || month > 12) throw outOfRange('month');
  if (day < 1 || day > daysInMonth) throw outOfRange('day');
  if (hour > 23) throw outOfRange('hour');
  if (minute > 59) throw outOfRange('minute');
  if (second > 59) throw outOfRange('second');
  const utc = new Date(0);
  utc.setUTCFullYear(year, month - 1, day);
  utc.setUTCHours(hour, minute, second, 0);
  return { seconds: utc.getTime() / 1000 - zoneSeconds(zone), nanos: Number(fraction) };
}

function zoneSeconds(zone: string): number {
  if (zone === 'Z') return 0;
  const [hours = 0, minutes = 0] = zone.slice(1).split(':').map(Number);
  const seconds = hours * 3600 + minutes * 60;
  return zone.startsWith('-') ? -seconds : seconds;
}

/** Which element of the layout the text fails at, as Go reports it. */
function syntaxError(text: string, usedLayout: string): TimeError {
  const steps: [RegExp, string][] = [
    [/^\d{4}/, '2006'], [/^-/, '-'], [/^\d{2}/, '01'], [/^-/, '-'], [/^\d{2}/, '02'], [/^T/, 'T'],
    [/^\d{2}/, '15'], [/^:/, ':'], [/^\d{2}/, '04'], [/^:/, ':'], [/^\d{2}(?:[.,]\d+)?/, '05'], [/^(?:Z|[+-]\d{2}:\d{2})/, 'Z07:00'],
  ];
  let rest = text;
  for (const [step, element] of steps) {
    const match = step.exec(rest);
    if (!match) {
      return new TimeError(`parsing time ${JSON.stringify(text)} as "${usedLayout}": cannot parse ${JSON.stringify(rest)} as "${element}"`);
    }
    rest = rest.slice(match[0].length);
  }
  return new TimeError(`parsing time ${JSON.stringify(text)}: extra text: ${JSON.stringify(rest)}`);
}

function twoDigits(date: Date): string {
  return `${date.toISOString().replace(/^\+(\d{6})/, (_all, year: string) => year.slice(2)).slice(0, 19)}`;
}

/** `metav1.Time` as written: UTC, whole seconds. */
export function formatTime(instant: Instant): string {
  return `${twoDigits(new Date(instant.seconds * 1000))}Z`;
}

/** `metav1.MicroTime` as written: UTC, microseconds. */
export function formatMicroTime(instant: Instant): string {
  const micros = String(Math.floor(instant.nanos / 1000)).padStart(6, '0');
  return `${twoDigits(new Date(instant.seconds * 1000))}.${micros}Z`;
}

/** Milliseconds since the epoch of an RFC 3339 time; undefined when absent or malformed. */
export function timeMs(text: string | undefined | null): number | undefined {
  if (!text || !pattern.test(text)) return undefined;
  const instant = parseTime(text);
  return instant.seconds * 1000 + Math.floor(instant.nanos / 1e6);
}
