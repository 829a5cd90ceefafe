import type { Vfs } from '../fs/vfs.ts';
import { hasWildcard, matchesPattern, unquotePattern } from './pattern.ts';

/** Paths that match a pattern, sorted; names that start with a dot only when the pattern does. Empty when none does. */
export function globPaths(fs: Vfs, pattern: string, absolute: (path: string) => string): string[] {
  const parts = pattern.split('/');
  let found = [''];
  parts.forEach((part, i) => {
    const last = i === parts.length - 1;
    if (i === 0 && part === '') {
      found = ['/'];
      return;
    }
    if (!hasWildcard(part.replace(/\\./g, ''))) {
      const name = unquotePattern(part);
      found = found.map((prefix) => (last ? prefix + name : `${prefix}${name}/`)).filter((path) => fs.exists(absolute(path)));
      return;
    }
    found = found.flatMap((prefix) => {
      const directory = absolute(prefix || '.');
      if (!fs.isDirectory(directory) || !fs.access(directory, 'r')) return [];
      const names = fs.list(directory).filter((name) => (!name.startsWith('.') || part.startsWith('.')) && matchesPattern(name, part));
      return names.map((name) => prefix + name).filter((path) => last || fs.isDirectory(absolute(path))).map((path) => (last ? path : `${path}/`));
    });
  });
  return found.sort();
}
