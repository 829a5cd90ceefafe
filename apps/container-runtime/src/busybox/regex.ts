const classes: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z', digit: '0-9', alnum: 'A-Za-z0-9', upper: 'A-Z', lower: 'a-z', space: '\\s', blank: ' \\t', punct: '!-\\/:-@\\[-`{-~', xdigit: '0-9A-Fa-f', cntrl: '\\x00-\\x1f', print: ' -~', graph: '!-~',
};

function bracket(pattern: string, start: number): { source: string; end: number } | undefined {
  let i = start + 1;
  let source = '[';
  if (pattern[i] === '^') {
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
    } else {
      source += c === '\\' ? (/[nt]/.test(pattern[i + 1] ?? '') ? `\\${pattern[++i]}` : '\\\\') : c.replace(/[\][^]/, '\\$&');
      i++;
    }
  }
  return undefined;
}

/** The JavaScript source of a POSIX regular expression: basic (grep, sed) or extended (grep -E, awk). */
export function posixRegex(pattern: string, extended: boolean): string {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i] as string;
    const set = c === '[' ? bracket(pattern, i) : undefined;
    if (set) {
      source += set.source;
      i = set.end - 1;
      continue;
    }
    if (c === '\\') {
      const next = pattern[++i] ?? '\\';
      if (!extended && /[(){}|+?]/.test(next)) source += next;
      else if (next === '<' || next === '>') source += '\\b';
      else if (/[wWsSbBntr0-9]/.test(next)) source += `\\${next}`;
      else source += next.replace(/[.*+?^${}()|[\]\\/]/, '\\$&');
    } else if (!extended && /[(){}|+?]/.test(c)) source += `\\${c}`;
    else if (!extended && c === '*' && (source === '' || source.endsWith('(') || source === '^')) source += '\\*';
    else if (!extended && c === '^' && source !== '' && !/[(|]$/.test(source)) source += '\\^';
    else if (!extended && c === '$' && i < pattern.length - 1 && !/^\\[)|]/.test(pattern.slice(i + 1))) source += '\\$';
    else if (extended && c === '{' && !/^\{\d*,?\d*\}/.test(pattern.slice(i))) source += '\\{';
    else source += c === '/' ? '\\/' : c;
  }
  return source;
}
