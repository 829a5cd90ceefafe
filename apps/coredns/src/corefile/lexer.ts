export interface Token {
  readonly text: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Tells copies apart that imports made: words of different copies are never on one line. */
  readonly copy?: number;
}

const isSpace = (char: string): boolean => /\s/.test(char);

/** Replaces `{$NAME}` and `{%NAME%}` by what the environment says; nothing where it says nothing. */
function expand(text: string, environment: (name: string) => string | undefined): string {
  if (!text.includes('{')) return text;
  return text.replace(/\{\$([^}]+)\}|\{%([^%]+)%\}/g, (_whole, unix?: string, windows?: string) => environment(unix ?? windows ?? '') ?? '');
}

/**
 * Cuts a Corefile into words: white space separates them, double quotes join (`\"` within them is a quote), `#` begins a
 * comment. The lexical rules of Caddy's files, which the Corefile is one of.
 */
export function tokenize(source: { readonly file: string; readonly text: string }, environment: (name: string) => string | undefined): Token[] {
  const tokens: Token[] = [];
  let word = '';
  let line = 1;
  let wordLine = 1;
  let state: 'between' | 'word' | 'quoted' | 'comment' = 'between';
  let escaped = false;
  const push = (): void => {
    tokens.push({ text: expand(word, environment), file: source.file, line: wordLine });
    word = '';
    state = 'between';
  };
  for (const char of source.text) {
    if (state === 'quoted') {
      if (!escaped && char === '\\') {
        escaped = true;
        continue;
      }
      if (!escaped && char === '"') push();
      else word += escaped && char !== '"' ? `\\${char}` : char;
      escaped = false;
    } else if (isSpace(char)) {
      if (state === 'word') push();
      if (char === '\n') state = 'between';
    } else if (state !== 'comment') {
      if (char === '#') {
        if (state === 'word') push();
        state = 'comment';
      } else if (state === 'between') {
        wordLine = line;
        state = char === '"' ? 'quoted' : 'word';
        if (state === 'word') word = char;
      } else word += char;
    }
    if (char === '\n') line++;
  }
  if (state === 'word' || state === 'quoted') push();
  return tokens;
}

/** Whether two words stand on one line of one file. */
export function onOneLine(a: Token, b: Token): boolean {
  return a.line === b.line && a.file === b.file && a.copy === b.copy;
}
