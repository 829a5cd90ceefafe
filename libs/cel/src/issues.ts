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
  return { line: before.split('\n').length, column: ascii.test(before) ? at - start : [...before.slice(start)].length };
}

const ascii = /^[\u0000-\u007f]*$/;
const isWide = (letter: string): boolean => (letter.codePointAt(0) ?? 0) > 0x7f;

/** Dots up to a column and a caret under it; full-width ones under characters of more than one byte. */
function pointer(text: string, column: number): string {
  if (ascii.test(text)) return `${'.'.repeat(Math.min(column, text.length))}^`;
  const letters = [...text];
  const dots = letters.slice(0, column).map((letter) => (isWide(letter) ? '\uff0e' : '.'));
  return `${dots.join('')}${isWide(letters[column] ?? '') ? '\uff3e' : '^'}`;
}

/** An issue as cel-go displays it: the line and a caret under the place. */
export function displayIssue(source: string, issue: Issue): string {
  const { line, column } = locate(source, issue.at);
  const head = `ERROR: <input>:${line}:${column + 1}: ${issue.message}`;
  const text = source.split('\n')[line - 1]?.replaceAll('\t', ' ');
  return text === undefined ? head : `${head}\n | ${text}\n | ${pointer(text, column)}`;
}

const shown = 100;

/** The issues that are told of, in the order of the source. */
export const toldIssues = (issues: readonly Issue[]): readonly Issue[] => [...issues].sort((a, b) => a.at - b.at).slice(0, shown);

/** All issues, or as many as cel-go shows. */
export function displayIssues(source: string, issues: readonly Issue[]): string {
  const more = issues.length > shown ? [`${issues.length - shown} more errors were truncated`] : [];
  return [...toldIssues(issues).map((issue) => displayIssue(source, issue)), ...more].join('\n');
}
