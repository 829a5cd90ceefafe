/** Tries until `check` neither throws nor returns false; rejects with its last failure after `withinMs`. */
export async function eventually<T>(check: () => Promise<T> | T, options: { withinMs?: number; everyMs?: number; what?: string } = {}): Promise<Exclude<T, false>> {
  const { withinMs = 30_000, everyMs = 100, what = 'condition' } = options;
  const end = performance.now() + withinMs;
  let failure: unknown;
  do {
    try {
      const value = await check();
      if (value !== false) return value as Exclude<T, false>;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  } while (performance.now() < end);
  throw new Error(`${what}: not within ${withinMs} ms${failure instanceof Error ? `: ${failure.message}` : ''}`, { cause: failure });
}
