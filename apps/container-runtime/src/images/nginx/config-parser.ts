/** One directive of an nginx configuration, with the place that error messages name. */
export interface Directive {
  readonly name: string;
  readonly args: readonly string[];
  readonly file: string;
  readonly line: number;
  readonly block?: readonly Directive[];
}

/** A configuration nginx does not start with; the message is nginx's, without `nginx: [emerg]`. */
export class ConfigError extends Error {
  readonly level: 'emerg' | 'crit';

  constructor(message: string, at?: { file: string; line: number }) {
    super(at ? `${message} in ${at.file}:${at.line}` : message);
    this.name = 'ConfigError';
    this.level = 'emerg';
  }
}

interface Token {
  readonly text: string;
  readonly line: number;
  readonly kind: 'word' | ';' | '{' | '}';
}

const escapes: Readonly<Record<string, string>> = { '"': '"', "'": "'", '\\': '\\', t: '\t', r: '\r', n: '\n' };

/** Other escapes stay as they are, so that regular expressions need no doubling. */
const unescape = (text: string): string => text.replace(/\\(["'\\trn])/g, (_, c: string) => escapes[c] ?? c);

function tokenize(text: string, file: string): { tokens: Token[]; lastLine: number; open: boolean } {
  const tokens: Token[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const c = text[at] as string;
    if (c === '\n') line++;
    if (/\s/.test(c)) at++;
    else if (c === '#') {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (c === ';' || c === '{' || c === '}') {
      tokens.push({ text: c, line, kind: c });
      at++;
    } else if (c === '"' || c === "'") {
      let end = at + 1;
      while (end < text.length && text[end] !== c) end += text[end] === '\\' ? 2 : 1;
      if (end >= text.length) return { tokens, lastLine: line + (text.slice(at).match(/\n/g)?.length ?? 0), open: true };
      const raw = text.slice(at + 1, end);
      line += raw.match(/\n/g)?.length ?? 0;
      tokens.push({ text: unescape(raw), line, kind: 'word' });
      at = end + 1;
      if (at < text.length && !/[\s;{)]/.test(text[at] as string)) throw new ConfigError(`unexpected "${text[at]}"`, { file, line });
    } else {
      let end = at;
      while (end < text.length && !/[\s;]/.test(text[end] as string)) {
        if (text[end] === '{' && text[end - 1] !== '$') break;
        end += text[end] === '\\' ? 2 : 1;
      }
      tokens.push({ text: unescape(text.slice(at, end)), line, kind: 'word' });
      at = end;
    }
  }
  return { tokens, lastLine: line, open: false };
}

/** Reads the text of one configuration file. Throws ConfigError in nginx's words. */
export function parseConfig(text: string, file: string): Directive[] {
  const { tokens, lastLine, open } = tokenize(text, file);
  let at = 0;
  const block = (nested: boolean): Directive[] => {
    const out: Directive[] = [];
    let words: Token[] = [];
    for (;;) {
      const token = tokens[at++];
      if (!token) {
        if (words.length || open) throw new ConfigError('unexpected end of file, expecting ";" or "}"', { file, line: lastLine });
        if (nested) throw new ConfigError('unexpected end of file, expecting "}"', { file, line: lastLine });
        return out;
      }
      if (token.kind === 'word') {
        words.push(token);
        continue;
      }
      if (token.kind === '}') {
        if (words.length || !nested) throw new ConfigError('unexpected "}"', { file, line: token.line });
        return out;
      }
      const [first, ...rest] = words;
      if (!first) throw new ConfigError(`unexpected "${token.text}"`, { file, line: token.line });
      const directive = { name: first.text, args: rest.map((word) => word.text), file, line: token.line };
      words = [];
      out.push(token.kind === ';' ? directive : { ...directive, block: block(true) });
    }
  };
  return block(false);
}
