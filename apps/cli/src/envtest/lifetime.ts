import { stopSignal, whenAborted } from '@orrery/node-io';
import type { Component } from '@orrery/runtime';

const orphanCheckMs = 500;

/** Resolves when who started this program is gone: a test that was killed leaves nothing behind. */
function whenOrphaned(): Promise<void> {
  const parent = process.ppid;
  return new Promise((resolve) => {
    if (parent === 1) return;
    const timer = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(timer);
      resolve();
    }, orphanCheckMs);
    timer.unref();
  });
}

/** Runs components until SIGTERM, SIGINT or the end of the parent; then ends the process. */
export async function liveUntilTold(components: readonly Component[]): Promise<never> {
  const signal = stopSignal();
  for (const component of components) await component.start(signal);
  await Promise.race([whenAborted(signal), whenOrphaned()]);
  for (const component of [...components].reverse()) await component.stop();
  process.exit(0);
}
