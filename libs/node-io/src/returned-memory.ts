import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const lookMs = 500;
/** Looks after which it is given up to wait for a quiet time after the start. */
const maxLooks = 120;
/** Share of the time between two looks that a quiet thread is at work. */
const quietShare = 0.25;
/** What has gathered since memory was last given back, and is worth another pause. */
const worthwhileBytes = 64 * 1024 * 1024;
/** Of all time, pauses may take one part in so many. */
const mostPauses = 20;

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

/**
 * Gives what the start of this thread left over back to the machine, as soon as there has been little to do for half a second, and from then on
 * what much work has left over, as soon as that is done. The heap may grow to `--initial-old-space-size` before V8 collects by itself, and by a half from
 * one collection to the next, which is for those who have much to do. A large heap takes a second to look through, so that it rests for twenty before the next time.
 */
export function returnMemoryWhenQuiet(): void {
  let kept = Number.POSITIVE_INFINITY;
  let looks = 0;
  let restUntil = 0;
  const collect = (): void => {
    const began = performance.now();
    giveBack();
    const ended = performance.now();
    restUntil = ended + (ended - began) * mostPauses;
    kept = heldBytes();
  };
  let before = performance.eventLoopUtilization();
  const look = (): void => {
    const { utilization } = performance.eventLoopUtilization(before);
    before = performance.eventLoopUtilization();
    const isQuiet = utilization < quietShare;
    const isStart = kept === Number.POSITIVE_INFINITY;
    if (isStart && !isQuiet && ++looks === maxLooks) kept = heldBytes();
    else if (isQuiet && (isStart || (performance.now() > restUntil && heldBytes() > kept + worthwhileBytes))) collect();
  };
  setInterval(look, lookMs).unref();
}
