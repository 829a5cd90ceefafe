/** Ctrl-C reaches every process of a terminal, and npm and supervisors pass it on: what comes this soon again is the same wish. */
const sameWishMs = 1000;

/**
 * Aborts at the first SIGINT, SIGTERM or SIGHUP, or when a supervisor that started the program with an IPC channel is gone; the
 * reason's message says which. A signal that comes again later ends the process at once with code 130.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  let firstMs = 0;
  const stop = (why: string): void => {
    firstMs = performance.now();
    controller.abort(new Error(`stopped by ${why}`));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!controller.signal.aborted) stop(signal);
      else if (performance.now() - firstMs > sameWishMs) process.exit(130);
    });
  }
  process.on('disconnect', () => {
    if (!controller.signal.aborted) stop('the end of its supervisor');
  });
  return controller.signal;
}

/** Resolves once the signal has aborted. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));
}
