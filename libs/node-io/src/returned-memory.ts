import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const lookMs = 1000;
const maxLooks = 60;
/** Share of the time between two looks that a quiet process is at work. */
const quietShare = 0.25;

type Collect = (options: { readonly type: 'major'; readonly flavor: 'last-resort' }) => void;

/** V8 has room for many young objects after a start, and keeps it while nothing happens. The call takes some 50 ms. */
function giveBack(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as Collect)({ type: 'major', flavor: 'last-resort' });
}

/** Gives what the start of this process left over back to the machine, once, as soon as there has been little to do for a second. */
export function returnMemoryWhenQuiet(): void {
  let before = performance.eventLoopUtilization();
  let looks = 0;
  const timer = setInterval(() => {
    const { utilization } = performance.eventLoopUtilization(before);
    before = performance.eventLoopUtilization();
    const isQuiet = utilization < quietShare;
    if (isQuiet || ++looks === maxLooks) clearInterval(timer);
    if (isQuiet) giveBack();
  }, lookMs);
  timer.unref();
}
