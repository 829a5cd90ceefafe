import { type Token, onOneLine, tokenize } from './lexer.ts';

/** A mistake in a Corefile; the message begins with `FILE:LINE - `, as CoreDNS writes it. */
export class CorefileError extends Error {}

/** One line of a block: its words, and the block it opens. */
export interface Line {
  /** The first word, e.g. `forward` or `policy`. */
  readonly name: Token;
  readonly args: readonly Token[];
  readonly block: readonly Line[];
}

export interface ServerBlock {
  /** As written: `.:53`, `example.org`, `10.0.0.0/24`. */
  readonly keys: readonly Token[];
  readonly directives: readonly Line[];
}

export interface CorefileSource {
  /** Text of a file by its name; undefined: no such file. A pattern (`*`) yields every file it matches. */
  readFiles(pattern: string): readonly { readonly file: string; readonly text: string }[];
  environment(name: string): string | undefined;
}

export function errorAt(token: Token, message: string): CorefileError {
  return new CorefileError(`${token.file}:${token.line} - Error during parsing: ${message}`);
}

function syntaxError(token: Token, wanted: string): CorefileError {
  return new CorefileError(`${token.file}:${token.line} - Syntax error: Unexpected token '${token.text}', expecting '${wanted}'`);
}

/** Too few or too many words on a line. */
export function argumentError(line: Line): CorefileError {
  const last = line.args.at(-1) ?? line.name;
  return errorAt(last, `Wrong argument count or unexpected line ending after '${last.text}'`);
}

const maxImports = 10_000;

class Parser {
  private readonly source: CorefileSource;
  private readonly snippets = new Map<string, readonly Token[]>();
  private readonly isDirective: (name: string) => boolean;
  private tokens: Token[];
  private at = 0;
  private imports = 0;

  constructor(tokens: Token[], source: CorefileSource, isDirective: (name: string) => boolean) {
    this.tokens = tokens;
    this.source = source;
    this.isDirective = isDirective;
  }

  blocks(): ServerBlock[] {
    const out: ServerBlock[] = [];
    while (this.at < this.tokens.length) {
      const block = this.block();
      if (block) out.push(block);
    }
    return out;
  }

  private peek(): Token | undefined {
    return this.tokens[this.at];
  }

  private last(): Token {
    return this.tokens[Math.min(this.at, this.tokens.length) - 1] ?? { text: '', file: 'Corefile', line: 1 };
  }

  private block(): ServerBlock | undefined {
    const keys = this.keys();
    if (!keys.length) return undefined;
    const [first] = keys as [Token, ...Token[]];
    const braced = this.peek()?.text === '{';
    if (braced) this.at++;
    if (keys.length === 1 && /^\(.*\)$/.test(first.text)) {
      if (!braced) throw syntaxError(this.peek() ?? this.last(), '{');
      this.snippet(first);
      return undefined;
    }
    const directives = this.lines({ top: true, braced });
    return { keys, directives };
  }

  /** Addresses, separated by blanks or commas; a comma lets them go on in the next line. */
  private keys(): Token[] {
    const keys: Token[] = [];
    let comma = false;
    for (let token = this.peek(); token; token = this.peek()) {
      if (token.text === '{') {
        if (comma) throw errorAt(token, `Expected another address but had '{' - check for extra comma`);
        if (!keys.length) throw errorAt(token, 'server block without an address');
        return keys;
      }
      const before = keys.at(-1);
      if (before && !onOneLine(before, token) && !comma) return keys;
      this.at++;
      if (token.text === 'import' && !keys.length) {
        this.splice(token);
        continue;
      }
      comma = token.text.endsWith(',');
      for (const text of token.text.split(',')) if (text) keys.push({ ...token, text });
    }
    return keys;
  }

  private snippet(key: Token): void {
    const name = key.text.slice(1, -1);
    if (this.snippets.has(name)) throw errorAt(key, `redeclaration of previously declared snippet ${name}`);
    const start = this.at;
    for (let depth = 1; depth > 0; this.at++) {
      const token = this.peek();
      if (!token) throw errorAt(this.last(), 'Unexpected EOF');
      if (token.text === '{') depth++;
      if (token.text === '}') depth--;
    }
    this.snippets.set(name, this.tokens.slice(start, this.at - 1));
  }

  /** Puts what an `import` names in the place of its line. */
  private splice(at: Token): void {
    const pattern = this.peek();
    if (!pattern || !onOneLine(pattern, at)) throw errorAt(at, "Wrong argument count or unexpected line ending after 'import'");
    this.at++;
    const extra = this.peek();
    if (extra && onOneLine(extra, at) && extra.text !== '}') throw errorAt(extra, 'Import takes only one argument (glob pattern or file)');
    if (++this.imports > maxImports) throw errorAt(at, `too many imports: does ${pattern.text} import itself?`);
    this.tokens.splice(this.at - 2, 2, ...this.imported(pattern));
    this.at -= 2;
  }

  private imported(pattern: Token): Token[] {
    const snippet = this.snippets.get(pattern.text);
    const copy = this.imports;
    if (snippet) return snippet.map((token) => ({ ...token, copy }));
    const files = this.source.readFiles(pattern.text);
    if (!files.length && !/[*?[]/.test(pattern.text)) throw errorAt(pattern, `File to import not found: ${pattern.text}`);
    return files.flatMap((file) => tokenize(file, (name) => this.source.environment(name))).map((token) => ({ ...token, copy }));
  }

  private lines(options: { top: boolean; braced: boolean }): Line[] {
    const lines: Line[] = [];
    for (let token = this.peek(); ; token = this.peek()) {
      if (!token) {
        if (options.braced) throw errorAt(this.last(), 'Unexpected EOF');
        return lines;
      }
      this.at++;
      if (token.text === '}') {
        if (!options.braced) throw errorAt(token, "Unexpected '}' because no matching opening brace");
        return lines;
      }
      if (token.text === 'import') {
        this.splice(token);
        continue;
      }
      if (options.top && !this.isDirective(token.text)) throw errorAt(token, `Unknown directive '${token.text}'`);
      lines.push(this.line(token));
    }
  }

  private line(name: Token): Line {
    const args: Token[] = [];
    for (let token = this.peek(); token && onOneLine(token, name); token = this.peek()) {
      if (token.text === '}') break;
      this.at++;
      if (token.text === '{') return { name, args, block: this.lines({ top: false, braced: true }) };
      args.push(token);
    }
    return { name, args, block: [] };
  }
}

/**
 * Reads a Corefile: server blocks with their directives, snippets and imports resolved. `isDirective` knows the plugins.
 * Throws CorefileError. The grammar is that of https://coredns.io/manual/configuration/.
 */
export function parseCorefile(file: { readonly file: string; readonly text: string }, source: CorefileSource, isDirective: (name: string) => boolean): ServerBlock[] {
  return new Parser(tokenize(file, (name) => source.environment(name)), source, isDirective).blocks();
}
