const maxTotal = 4 * 1024;
const maxItemWhenTruncated = 256;

/** What RFC 7230 forbids in a quoted string. */
const control = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/** Header values are bytes to Node: those of UTF-8, as Go sends it. */
const asBytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

const quoted = (text: string): string => `299 - "${asBytes(text.replace(/[\\"]/g, '\\$&'))}"`;

/**
 * Values of Warning headers, as upstream makes them: texts with control characters are left out; beyond 4096 characters in
 * all, each is cut to 256 and what comes after is dropped.
 */
export function warningHeaders(texts: Iterable<string>): string[] {
  const valid = [...texts].filter((text) => text !== '' && !control.test(text)).map((text) => [...text]);
  if (valid.reduce((total, { length }) => total + length, 0) <= maxTotal) return valid.map((text) => quoted(text.join('')));
  const headers: string[] = [];
  let written = 0;
  for (const text of valid) {
    if (written >= maxTotal) break;
    const cut = text.slice(0, maxItemWhenTruncated);
    written += cut.length;
    headers.push(quoted(cut.join('')));
  }
  return headers;
}
