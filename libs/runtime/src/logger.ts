export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log. Never pass secrets, tokens or whole objects that may hold them. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** From here on drops what is less severe: of this logger, of who it is a child of and of all other children. */
  setLevel?(level: LogLevel): void;
  /** Is anything done with what `debug` is told? For lines on hot paths, whose fields need not be gathered otherwise. */
  isDebugging?(): boolean;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

export interface LogRecord {
  level: LogLevel;
  timeMs: number;
  message: string;
  fields: LogFields;
}

const order: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

function plain(value: unknown): unknown {
  return value instanceof Error ? (value.stack ?? value.message) : value;
}

/** Builds a logger over a sink that receives whole records; records below `level` are dropped before formatting. */
export function createLogger(options: { now: () => number; write: (record: LogRecord) => void; level?: LogLevel; fields?: LogFields }): Logger {
  const { level = 'info', fields = {}, ...sink } = options;
  return loggerOf({ ...sink, threshold: { level } }, fields);
}

/** `threshold` is shared by a logger and all its children. */
function loggerOf(sink: { now: () => number; write: (record: LogRecord) => void; threshold: { level: LogLevel } }, base: LogFields): Logger {
  const { now, write, threshold } = sink;
  const at = (lineLevel: LogLevel) => (message: string, fields: LogFields = {}): void => {
    if (order[lineLevel] >= order[threshold.level]) write({ level: lineLevel, timeMs: now(), message, fields: { ...base, ...fields } });
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    setLevel: (level) => void (threshold.level = level),
    isDebugging: () => threshold.level === 'debug',
    child: (fields) => loggerOf(sink, { ...base, ...fields }),
  };
}

/** Where klog's verbosity begins to be for debugging. */
const debugVerbosity = 4;

/** What klog's verbosity comes to. */
export const levelOfVerbosity = (v: number): LogLevel => (v >= debugVerbosity ? 'debug' : 'info');

/** What `PUT /debug/flags/v` with this body does and answers, worded as upstream's. */
export function setVerbosity(log: Logger, value: string): { readonly status: number; readonly text: string } {
  if (!/^[+-]?\d{1,9}$/.test(value)) return { status: 400, text: `failed set klog.logging.verbosity ${value}: strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax` };
  log.setLevel?.(levelOfVerbosity(Number(value)));
  return { status: 200, text: `successfully set klog.logging.verbosity to ${value}` };
}

/** One JSON line: time, level, msg, then the fields. */
export function formatJsonLine(record: LogRecord): string {
  const fields = Object.fromEntries(Object.entries(record.fields).map(([key, value]) => [key, plain(value)]));
  return `${JSON.stringify({ time: new Date(record.timeMs).toISOString(), level: record.level, msg: record.message, ...fields })}\n`;
}

/** A logger that drops everything. */
export const silentLogger: Logger = createLogger({ now: () => 0, write: () => undefined, level: 'error' });
