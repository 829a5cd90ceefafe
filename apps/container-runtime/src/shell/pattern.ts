const classes: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z', digit: '0-9', alnum: 'A-Za-z0-9', upper: 'A-Z', lower: 'a-z', space: '\\s', blank: ' \\t', punct: '!-\\/:-@\\[-`{-~', xdigit: '0-9A-Fa-f', cntrl: '\\x00-\\x1f', print: ' -~', graph: '!-~',
};

/** A bracket expression starting at `[`; undefined when it is not closed. */
function bracket(pattern: string, start: number): { source: string; end: number } | undefined {
  let i = start + 1;
  let source = '[';
  if (pattern[i] === '!' || pattern[i] === '^') {
    source += '^';
    i++;
  }
  for (let first = true; i < pattern.length; first = false) {
    const c = pattern[i] as string;
    if (c === ']' && !first) return { source: `${source}]`, end: i + 1 };
    const named = /^\[:(\w+):\]/.exec(pattern.slice(i));
    if (named) {
      source += classes[named[1] ?? ''] ?? '';
      i += named[0].length;
    } else if (c === '\\' && i + 1 < pattern.length) {
      source += pattern[i + 1]?.replace(/[\]\\^-]/, '\\$&');
      i += 2;
    } else {
      source += c.replace(/[\]\\^[]/, '\\$&');
      i++;
    }
  }
  return undefined;
}

/** The regular expression source of a shell pattern; a backslash quotes the next character. */
export function patternSource(pattern: string, options: { shortest?: boolean } = {}): string {
  const star = options.shortest ? '[^]*?' : '[^]*';
  let source = '';
  for (let i = 0; i < pattern.length; ) {
    const c = pattern[i] as string;
    const set = c === '[' ? bracket(pattern, i) : undefined;
    if (set) {
      source += set.source;
      i = set.end;
      continue;
    }
    if (c === '\\' && i + 1 < pattern.length) source += (pattern[++i] as string).replace(/[.*+?^${}()|[\]\\/]/, '\\$&');
    else if (c === '*') source += star;
    else if (c === '?') source += '[^]';
    else source += c.replace(/[.*+?^${}()|[\]\\/]/, '\\$&');
    i++;
  }
  return source;
}

export function matchesPattern(text: string, pattern: string): boolean {
  return new RegExp(`^(?:${patternSource(pattern)})$`, 'u').test(text);
}

/** Whether an unquoted character makes this text a pattern. */
export function hasWildcard(text: string): boolean {
  return /[*?[]/.test(text);
}

/** Quotes every character that means something in a pattern. */
export function quotePattern(text: string): string {
  return text.replace(/[*?[\]\\!^-]/g, '\\$&');
}

/** Takes the backslashes of a pattern away. */
export function unquotePattern(pattern: string): string {
  return pattern.replace(/\\([^])/g, '$1');
}
