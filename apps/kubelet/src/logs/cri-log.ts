/** One line of a log in the CRI format. */
export interface LogLine {
  /** RFC 3339 with nanoseconds, as written. */
  readonly time: string;
  readonly stream: string;
  /** The line goes on with the next entry. */
  readonly partial: boolean;
  readonly text: string;
}

/** Parses one line without its line feed; undefined when it is no CRI log line. */
export function parseLogLine(line: string): LogLine | undefined {
  const afterTime = line.indexOf(' ');
  const afterStream = line.indexOf(' ', afterTime + 1);
  const afterTag = line.indexOf(' ', afterStream + 1);
  if (afterTime < 0 || afterStream < 0 || afterTag < 0) return undefined;
  const tag = line.slice(afterStream + 1, afterTag);
  return { time: line.slice(0, afterTime), stream: line.slice(afterTime + 1, afterStream), partial: tag.split(':')[0] === 'P', text: line.slice(afterTag + 1) };
}

/** Nanoseconds since the epoch of an RFC 3339 time; undefined when it is none. */
export function timeNs(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const seconds = match ? Date.parse(`${match[1]}${match[3]}`) : NaN;
  if (!match || Number.isNaN(seconds)) return undefined;
  return BigInt(seconds) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}
