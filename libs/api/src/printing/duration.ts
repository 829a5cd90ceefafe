const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

const pair = (major: number, unit: string, { minor, minorUnit }: { minor: number; minorUnit: string }): string =>
  minor === 0 ? `${major}${unit}` : `${major}${unit}${minor}${minorUnit}`;

/** A span in the two units a person wants: `118s`, `5m3s`, `3h20m`, `2d4h`, `400d` (the rules of upstream's HumanDuration). */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / second);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.trunc(ms / minute);
  if (minutes < 10) return pair(minutes, 'm', { minor: seconds % 60, minorUnit: 's' });
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.trunc(ms / hour);
  if (hours < 8) return pair(hours, 'h', { minor: minutes % 60, minorUnit: 'm' });
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (hours < 192) return pair(days, 'd', { minor: hours % 24, minorUnit: 'h' });
  if (days < 730) return `${days}d`;
  const years = Math.trunc(days / 365);
  return years < 8 ? pair(years, 'y', { minor: days % 365, minorUnit: 'd' }) : `${years}y`;
}

/** How long ago a timestamp was, `<unknown>` without one. */
export function since(timestamp: string | undefined, nowMs: number): string {
  return timestamp ? humanDuration(nowMs - Date.parse(timestamp)) : '<unknown>';
}

/** How far ahead a timestamp is, `<unknown>` without one. */
export function until(timestamp: string | undefined, nowMs: number): string {
  return timestamp ? humanDuration(Date.parse(timestamp) - nowMs) : '<unknown>';
}
