/** A boolean in a query as upstream converts it: only `false` (in any case) and `0` are false; being there at all is true. */
export function isOn(value: string): boolean {
  return value.toLowerCase() !== 'false' && value !== '0';
}

/** Undefined when the query does not name it; of several values the first counts. */
export function queryFlag(query: URLSearchParams, name: string): boolean | undefined {
  const value = query.get(name);
  return value === null ? undefined : isOn(value);
}
