import type { Logger } from '@orrery/runtime';

const maxRemembered = 1000;

/** Logs what the API server warns of, the same words once. */
export function warnOnce(log: Logger): (warning: string) => void {
  const seen = new Set<string>();
  return (warning) => {
    if (seen.has(warning)) return;
    if (seen.size >= maxRemembered) seen.clear();
    seen.add(warning);
    log.warn('the API server warns', { warning });
  };
}
