/** A line of an env file that is no definition; told with its number. */
export class EnvFileError extends Error {}

const quote = "'";

/**
 * The definitions of an env file: `NAME='value'` each, where the value is taken as it is and may go over several lines;
 * empty lines and lines that begin with `#` mean nothing. Upstream's format since 1.35. Throws EnvFileError.
 */
export function parseEnvFile(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let [at, line] = [0, 1];
  const fail = (problem: string): EnvFileError => new EnvFileError(`${problem} at line ${line}`);
  while (at < text.length) {
    const newline = text.indexOf('\n', at);
    const end = newline < 0 ? text.length : newline;
    const start = text.slice(at, end).trimStart();
    if (start === '' || start.startsWith('#')) {
      at = end + 1;
      line++;
      continue;
    }
    const sign = text.indexOf('=', at);
    if (sign < 0 || sign > end) throw fail(`invalid environment variable definition ${JSON.stringify(start.trimEnd())}`);
    const name = text.slice(at, sign).trim();
    if (name === '') throw fail('environment variable name must not be empty');
    if (text[sign + 1] !== quote) throw fail('value must be enclosed in single quotes');
    const close = text.indexOf(quote, sign + 2);
    if (close < 0) throw fail('unclosed single quote');
    const value = text.slice(sign + 2, close);
    const next = text.indexOf('\n', close);
    const rest = text.slice(close + 1, next < 0 ? text.length : next).trim();
    line += value.split('\n').length - 1;
    if (rest !== '' && !rest.startsWith('#')) throw fail(`unexpected content after closing quote: ${JSON.stringify(rest)}`);
    found.set(name, value);
    at = next < 0 ? text.length : next + 1;
    line++;
  }
  return found;
}
