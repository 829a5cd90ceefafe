/** `1,3-5,7` as numbers below `limit`. */
export function parseIndexes(text: string | undefined, limit: number): Set<number> {
  const found = new Set<number>();
  for (const part of (text ?? '').split(',')) {
    if (!part) continue;
    const [first = '', last = first] = part.split('-');
    for (let i = Number(first); i <= Number(last) && i < limit; i++) found.add(i);
  }
  return found;
}

/** The compressed form; a run of two is written as two numbers, as upstream does. */
export function formatIndexes(indexes: Iterable<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (sorted[end + 1] === (sorted[end] as number) + 1) end++;
    if (end > i + 1) parts.push(`${sorted[i]}-${sorted[end]}`);
    else parts.push(...sorted.slice(i, end + 1).map(String));
    i = end + 1;
  }
  return parts.join(',');
}
