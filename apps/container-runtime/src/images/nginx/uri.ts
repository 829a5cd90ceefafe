/** A path as it may stand in a Location header. */
export function escapePath(path: string): string {
  return encodeURI(path).replaceAll('?', '%3F').replaceAll('#', '%23');
}

/** The name of a Host header: lower case, without the port. */
export function hostOf(header: string): string {
  return header.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
}

/** `.` and `..` resolved and slashes merged; undefined when it leaves the root. */
export function normalizeUri(path: string, mergeSlashes = true): string | undefined {
  const out: string[] = [];
  const parts = path.split('/').slice(1);
  parts.forEach((part, i) => {
    const last = i === parts.length - 1;
    if (part === '.' || (part === '' && mergeSlashes && !last)) {
      if (last) out.push('');
    } else if (part === '..') {
      out.push('..');
      if (last) out.push('');
    } else out.push(part);
  });
  const resolved: string[] = [];
  for (const part of out) {
    if (part !== '..') resolved.push(part);
    else if (resolved.pop() === undefined) return undefined;
  }
  return `/${resolved.join('/')}`;
}
