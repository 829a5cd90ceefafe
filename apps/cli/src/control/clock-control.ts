import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { realClock, replaceFile } from '@orrery/node-io';
import { AdjustableClock, type Advance, type ClockReading } from '@orrery/runtime';
import { readJson } from '../read-json.ts';
import { UserError } from '../user-error.ts';
import { eventLoopSettled } from './event-loop.ts';

/** What can be asked of a cluster's clock. */
export type ClockRequest = { readonly action: 'speed'; readonly factor: number } | { readonly action: 'advance'; readonly ms: number };

/** A clock that can be moved: an AdjustableClock, or those of several threads as one. */
export interface ClockControl {
  read(): ClockReading;
  setSpeed(factor: number): void | Promise<void>;
  advance(ms: number, how: Advance): Promise<void>;
}

/** What is told while time is advanced, one JSON object a line; the last one has the reading, or the error. */
export interface ClockProgress {
  readonly doneMs?: number;
  readonly reading?: ClockReading;
  readonly error?: string;
}

/** How often progress is told, milliseconds. */
const progressEveryMs = 100;

const file = (root: string): string => join(root, 'clock.json');

function savedAhead(root: string): number {
  if (!existsSync(file(root))) return 0;
  const advice = 'it does not say by how many milliseconds the cluster\'s clock is ahead; remove it to go back to the time of this machine';
  const { aheadMs } = (readJson(file(root), advice) ?? {}) as { aheadMs?: unknown };
  if (typeof aheadMs !== 'number' || !Number.isFinite(aheadMs)) throw new UserError(`${file(root)} is damaged: ${advice}`);
  return aheadMs;
}

/** The clock of the cluster whose data lie in `root`. How far it is ahead survives restarts: objects would come from the future otherwise. */
export function clusterClock(root: string): AdjustableClock {
  return new AdjustableClock(realClock, { aheadMs: Math.max(0, savedAhead(root)) });
}

export function saveAhead(root: string, clock: Pick<ClockControl, 'read'>): void {
  replaceFile(file(root), `${JSON.stringify({ aheadMs: Math.round(clock.read().aheadMs) })}\n`);
}

/** Does what is asked and tells how it goes. */
export async function controlClock(target: { readonly clock: ClockControl; readonly root: string; readonly signal: AbortSignal }, request: ClockRequest, tell: (progress: ClockProgress) => void): Promise<void> {
  const { clock, root, signal } = target;
  try {
    if (request.action === 'speed') await clock.setSpeed(request.factor);
    else {
      let toldAt = realClock.monotonic();
      const onProgress = (doneMs: number): void => {
        if (realClock.monotonic() - toldAt < progressEveryMs) return;
        toldAt = realClock.monotonic();
        saveAhead(root, clock);
        tell({ doneMs });
      };
      await clock.advance(request.ms, { settle: eventLoopSettled, onProgress, signal });
    }
    saveAhead(root, clock);
    tell({ reading: clock.read() });
  } catch (error) {
    tell({ error: (error as Error).message });
  }
}
