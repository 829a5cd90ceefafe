import { type Component, startAll, stopAll } from '@orrery/runtime';

/** Parts that start in order and stop the other way round; ends when one of them does. */
export function allOf(name: string, parts: readonly Component[]): Component {
  const ended = parts.flatMap((part) => part.ended ?? []);
  return {
    name,
    start: (signal) => startAll(parts, signal),
    stop: () => stopAll(parts),
    ready: () => parts.every((part) => part.ready()),
    ...(ended.length ? { ended: Promise.race(ended) } : {}),
  };
}
