import type { HttpServer } from '@orrery/node-io/http-server';
import type { Clock } from '@orrery/runtime';
import type { Traffic } from './http/traffic.ts';

/** How long connections may take to send what was written last. */
const flushMs = 250;

export interface DrainTimes {
  /** How long the server goes on serving everybody although it says that it is not ready. */
  readonly shutdownDelayMs: number;
  /** How long watches go on after new connections are refused. */
  readonly watchGraceMs: number;
  /** How long short requests may take to finish. */
  readonly requestMs: number;
}

/**
 * Ends service in upstream's order: load balancers get time to look elsewhere, the listener closes, watches end cleanly, what
 * is in flight is finished. Waits for nothing when nothing is under way.
 */
export async function drain(clock: Clock, parts: { readonly traffic: Traffic; readonly http: HttpServer | undefined }, times: DrainTimes): Promise<void> {
  const { traffic, http } = parts;
  if (times.shutdownDelayMs > 0) await clock.sleep(times.shutdownDelayMs);
  traffic.drain(new Error('the API server is stopping'));
  const isBusy = traffic.inFlight > 0 || traffic.longRunning > 0;
  const closed = http?.drain();
  if (times.watchGraceMs > 0 && traffic.longRunning > 0) await atMost(clock, traffic.ended(), times.watchGraceMs);
  traffic.endLongRunning();
  await atMost(clock, traffic.idle(), times.requestMs);
  // An end that was just written must still arrive.
  if (isBusy && closed) await atMost(clock, closed, flushMs);
}

/** Waits for `done`, but not longer. */
async function atMost(clock: Clock, done: Promise<void>, ms: number): Promise<void> {
  let timer: { cancel(): void } | undefined;
  const late = new Promise<void>((resolve) => (timer = clock.after(ms, resolve)));
  await Promise.race([done, late]);
  timer?.cancel();
}
