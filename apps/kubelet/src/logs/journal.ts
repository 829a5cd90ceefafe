import { type Clock, type LogFields, type LogLevel, type Logger, formatJsonLine } from '@orrery/runtime';

export interface JournalEntry {
  readonly timeMs: number;
  /** As the process writes it, without the end of the line. */
  readonly text: string;
}

/** What the process logged last, for who asks for it over its API; also what journald would keep of a kubelet that it runs. */
export interface Journal {
  /** Logs as before, and remembers. */
  readonly log: Logger;
  entries(): readonly JournalEntry[];
}

const kept = 5_000;

export function createJournal(clock: Clock, log: Logger): Journal {
  let entries: JournalEntry[] = [];
  const remembering = (to: Logger, base: LogFields): Logger => {
    const at = (level: LogLevel) => (message: string, fields: LogFields = {}): void => {
      to[level](message, fields);
      const timeMs = clock.now();
      entries.push({ timeMs, text: formatJsonLine({ level, timeMs, message, fields: { ...base, ...fields } }).trimEnd() });
      if (entries.length >= 2 * kept) entries = entries.slice(-kept);
    };
    return {
      // Only who listens to the process sees these.
      debug: (message, fields) => to.debug(message, fields),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      isDebugging: () => to.isDebugging?.() === true,
      ...(to.setLevel ? { setLevel: (level: LogLevel) => to.setLevel?.(level) } : {}),
      child: (fields) => remembering(to.child(fields), { ...base, ...fields }),
    };
  };
  return { log: remembering(log, {}), entries: () => entries };
}
