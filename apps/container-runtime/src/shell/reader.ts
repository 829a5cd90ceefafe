/** The script cannot be parsed. `incomplete`: more input could complete it. */
export class ShellSyntaxError extends Error {
  readonly incomplete: boolean;
  readonly line: number;

  constructor(message: string, line: number, incomplete = false) {
    super(message);
    this.name = 'ShellSyntaxError';
    this.line = line;
    this.incomplete = incomplete;
  }
}

/** A cursor over the script's text. */
export class Reader {
  readonly text: string;
  position: number;
  readonly firstLine: number;

  constructor(text: string, firstLine = 1) {
    this.text = text;
    this.position = 0;
    this.firstLine = firstLine;
  }

  get line(): number {
    let line = this.firstLine;
    for (let i = 0; i < this.position; i++) if (this.text[i] === '\n') line++;
    return line;
  }

  get done(): boolean {
    return this.position >= this.text.length;
  }

  peek(ahead = 0): string {
    return this.text[this.position + ahead] ?? '';
  }

  next(): string {
    return this.text[this.position++] ?? '';
  }

  at(prefix: string): boolean {
    return this.text.startsWith(prefix, this.position);
  }

  take(prefix: string): boolean {
    if (!this.at(prefix)) return false;
    this.position += prefix.length;
    return true;
  }

  /** Takes what the sticky expression matches here; '' when nothing. */
  match(pattern: RegExp): string {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.text)?.[0] ?? '';
    this.position += found.length;
    return found;
  }

  fail(message: string, incomplete = false): never {
    throw new ShellSyntaxError(message, this.line, incomplete || this.done);
  }
}
