/** Something wrong with a source text at an offset (UTF-16 units); -1 is nowhere in particular. */
export interface Issue {
  readonly at: number;
  readonly message: string;
}

/** Stops the compilation of one source at once. */
export class IssueError extends Error {
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

export interface Location {
  /** From 1. */
  readonly line: number;
  /** In code points, from 0. */
  readonly column: number;
}

export function locate(source: string, at: number): Location {
  if (at < 0) return { line: -1, column: -1 };
  const before = source.slice(0, at);
  const start = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: [...before.slice(start)].length };
}

const narrow = { dot: '.', mark: '^' };
/** Full-width, under characters of more than one byte. */
const wide = { dot: '\uff0e', mark: '\uff3e' };
const marksFor = (letter: string | undefined): typeof narrow => (letter !== undefined && (letter.codePointAt(0) ?? 0) > 0x7f ? wide : narrow);

/** An issue as cel-go displays it: the line and a caret under the place. */
export function displayIssue(source: string, issue: Issue): string {
  const { line, column } = locate(source, issue.at);
  const head = `ERROR: <input>:${line}:${column + 1}: ${issue.message}`;
  const text = source.split('\n')[line - 1];
  if (text === undefined) return head;
  const letters = [...text.replaceAll('\t', ' ')];
  const dots = letters.slice(0, column).map((letter) => marksFor(letter).dot);
  return `${head}\n | ${letters.join('')}\n | ${dots.join('')}${marksFor(letters[column]).mark}`;
}

const shown = 100;

/** All issues, in the order of the source. */
export function displayIssues(source: string, issues: readonly Issue[]): string {
  const sorted = [...issues].sort((a, b) => a.at - b.at);
  const more = sorted.length > shown ? [`${sorted.length - shown} more errors were truncated`] : [];
  return [...sorted.slice(0, shown).map((issue) => displayIssue(source, issue)), ...more].join('\n');
}
