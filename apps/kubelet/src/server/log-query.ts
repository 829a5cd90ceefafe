import type { JournalEntry } from '../logs/journal.ts';
import { HttpFault } from './reply.ts';

const maxTailLines = 100_000;
const maxServices = 4;
const maxServiceLength = 256;

/** What a query for logs of a node asks for; times in milliseconds since the epoch. */
export interface LogQuery {
  readonly services: readonly string[];
  /** Below /var/log. */
  readonly file: string | undefined;
  readonly hasOptions: boolean;
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
  readonly tailLines: number | undefined;
  readonly boot: number;
  readonly pattern: RegExp | undefined;
}

type Complain = (problem: string) => void;

const quoted = (text: string): string => JSON.stringify(text);

function refuse(code: number, problems: readonly string[]): void {
  if (problems.length) throw new HttpFault(code, `${problems.length > 1 ? `[${problems.join(', ')}]` : problems[0]}\n`);
}

function timeOf(name: string, text: string, complain: Complain): number | undefined {
  if (!text) return undefined;
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  complain(`${name}: Invalid value: ${quoted(text)}: invalid time format`);
  return undefined;
}

function wholeOf(name: string, text: string, complain: Complain): number | undefined {
  if (!text) return undefined;
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  complain(`${name}: Invalid value: ${quoted(text)}: strconv.Atoi: parsing ${quoted(text)}: invalid syntax`);
  return undefined;
}

/** Of Perl's expressions; in lower case throughout they mean either case, as to journalctl. */
function patternOf(text: string, complain: Complain): RegExp | undefined {
  if (!text) return undefined;
  try {
    return new RegExp(text, text === text.toLowerCase() ? 'i' : '');
  } catch {
    complain(`pattern: Invalid value: ${quoted(text)}: error parsing regexp: invalid syntax`);
    return undefined;
  }
}

function checkServices(services: readonly string[], complain: Complain): void {
  for (const name of services) {
    if (name.length > maxServiceLength) complain(`query: Invalid value: ${quoted(name)}: length must be less than 100`);
    else if (/[^a-zA-Z\-_0-9@]/.test(name)) complain(`query: Invalid value: ${quoted(name)}: input contains unsupported characters`);
  }
  if (services.length > maxServices) complain(`query: Too many: ${services.length}: must have at most ${maxServices} items`);
}

/**
 * Reads the query of /logs/; undefined when there is none, and the path is a file's. `path` is what follows /logs/.
 * Throws HttpFault: 400 for what cannot be read, 406 for what does not go together, in upstream's words.
 */
export function readLogQuery(params: URLSearchParams, path: string): LogQuery | undefined {
  const problems: string[] = [];
  const complain: Complain = (problem) => void problems.push(problem);
  const asked = params.getAll('query');
  const files = asked.filter((one) => /[/\\]/.test(one));
  const services = asked.filter((one) => !/[/\\]/.test(one) && one.trim() !== '');
  if (asked.length && !files.length && !services.length) complain(`query: Invalid value: ${JSON.stringify(asked)}: query cannot be empty`);
  const text = (name: string): string => params.get(name) ?? '';
  const sinceMs = timeOf('sinceTime', text('sinceTime'), complain);
  const untilMs = timeOf('untilTime', text('untilTime'), complain);
  const boot = wholeOf('boot', text('boot'), complain);
  const tailLines = wholeOf('tailLines', text('tailLines'), complain);
  refuse(400, problems);
  const hasOptions = ['sinceTime', 'untilTime', 'boot', 'tailLines', 'pattern'].some((name) => text(name) !== '');
  if (!asked.length && !hasOptions) return undefined;
  if (path) throw new HttpFault(406, 'path not allowed in query mode\n');
  checkServices(services, complain);
  if (!files.length && !services.length) complain('query: Required value: cannot be empty with options');
  else if (files.length && services.length) complain(`query: Invalid value: ${quoted(`[${files.join(' ')}], [${services.join(' ')}]`)}: cannot specify a file and service`);
  else if (files.length > 1) complain(`query: Invalid value: ${JSON.stringify(files)}: cannot specify more than one file`);
  else if (files.length && hasOptions) complain(`query: Invalid value: ${JSON.stringify(files)}: cannot specify file with options`);
  if (sinceMs !== undefined && untilMs !== undefined && sinceMs > untilMs) complain(`untilTime: Invalid value: ${quoted(text('untilTime'))}: must be after \`sinceTime\``);
  if (boot !== undefined && boot > 0) complain(`boot: Invalid value: ${boot}: must be less than 1`);
  if (tailLines !== undefined && (tailLines < 0 || tailLines > maxTailLines)) complain(`tailLines: Invalid value: ${tailLines}: must be between 0 and ${maxTailLines}, inclusive`);
  const pattern = patternOf(text('pattern'), complain);
  refuse(406, problems);
  return { services, file: files[0]?.replaceAll('\\', '/'), hasOptions, sinceMs, untilMs, tailLines, boot: boot ?? 0, pattern };
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A line as `journalctl --utc --output=short-precise` has it. */
function shown({ timeMs, text }: JournalEntry, host: string): string {
  const at = new Date(timeMs).toISOString();
  return `${months[Number(at.slice(5, 7)) - 1]} ${at.slice(8, 10)} ${at.slice(11, 23)}000 ${host} kubelet: ${text}\n`;
}

/** What a journal has of the time asked for that the pattern is found in, its end if so many lines are asked for. */
export function answerFromJournal(entries: readonly JournalEntry[], query: LogQuery, host: string): string {
  const { sinceMs = -Infinity, untilMs = Infinity, tailLines, boot, pattern } = query;
  if (boot < 0) return `No journal boot entry found from the specified boot offset (${boot}).\n`;
  const found = entries.filter(({ timeMs, text }) => timeMs >= sinceMs && timeMs <= untilMs && (!pattern || pattern.test(text)));
  const last = tailLines === undefined ? found : found.slice(found.length - Math.min(tailLines, found.length));
  return last.length ? last.map((entry) => shown(entry, host)).join('') : '-- No entries --\n';
}
