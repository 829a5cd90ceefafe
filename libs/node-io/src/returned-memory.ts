import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const lookMs = 1000;
const maxLooks = 60;
const lookAgainMs = 60_000;
/** Share of the time between two looks that a quiet process is at work. */
const quietShare = 0.25;
/** What has gathered since memory was last given back, and is worth another pause. */
const worthwhileBytes = 64 * 1024 * 1024;

/** Of objects and of buffers. */
function heldBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

type Collect = (options: { readonly type: 'major'; readonly flavor: 'last-resort' }) => void;

/** V8 has room for many young objects after a start, and keeps it while nothing happens. The call takes some 50 ms. */
function giveBack(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as Collect)({ type: 'major', flavor: 'last-resort' });
}

/** Calls back every so many milliseconds until that answers true; `isQuiet`: there has been little to do since. */
function whileWatched(everyMs: number, look: (isQuiet: boolean) => boolean): void {
  let before = performance.eventLoopUtilization();
  const timer = setInterval(() => {
    const { utilization } = performance.eventLoopUtilization(before);
    before = performance.eventLoopUtilization();
    if (look(utilization < quietShare)) clearInterval(timer);
  }, everyMs);
  timer.unref();
}

/**
 * Gives what the start of this process left over back to the machine, as soon as there has been little to do for a second, and from
 * then on what has gathered meanwhile, as soon as there has been little to do for a minute. The heap may grow to
 * `--initial-old-space-size` before V8 collects by itself, which is for those who have much to do.
 */
export function returnMemoryWhenQuiet(): void {
  let kept = Number.POSITIVE_INFINITY;
  let looks = 0;
  whileWatched(lookMs, (isQuiet) => {
    if (isQuiet) giveBack();
    kept = heldBytes();
    return isQuiet || ++looks === maxLooks;
  });
  whileWatched(lookAgainMs, (isQuiet) => {
    if (isQuiet && heldBytes() > kept + worthwhileBytes) {
      giveBack();
      kept = heldBytes();
    }
    return false;
  });
}
