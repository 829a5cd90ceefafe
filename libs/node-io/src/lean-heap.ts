import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Of a process that holds much data for long and makes much that is gone at once. */
export interface LeanHeapOptions {
  /** Memory for young objects, both halves: more does not make such a process quicker. */
  readonly youngBytes: number;
  /** Percent by which the rest may grow from one collection to the next. V8 left alone lets a large heap grow by half and more. */
  readonly growingPercent: number;
}

const lookAgainMs = 60_000;
/** Rounds of the warm-up; each makes more young objects than the smallest memory for them holds. */
const maxRounds = 100;
const objectsPerRound = 20_000;

const youngBytes = (): number => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0;

/** The memory for young objects grows while many of them survive; then it stays as it is. */
function settleYoung(bytes: number): void {
  setFlagsFromString('--semi-space-growth-factor=2');
  for (let round = 0; round < maxRounds && youngBytes() < bytes; round++) {
    const survivors: number[][] = [];
    for (let i = 0; i < objectsPerRound; i++) survivors.push([i]);
  }
  setFlagsFromString('--semi-space-growth-factor=1');
}

/**
 * Keeps this process' memory near what it really holds, as flags of Node would (`--max-semi-space-size`), for those that start it
 * without. Call it before anything else.
 */
export function keepHeapLean({ youngBytes: bytes, growingPercent }: LeanHeapOptions): void {
  setFlagsFromString(`--heap-growing-percent=${growingPercent}`);
  settleYoung(bytes);
  // A process that had nothing to do for long may have given it back.
  setInterval(() => {
    if (youngBytes() < bytes / 2) settleYoung(bytes);
  }, lookAgainMs).unref();
}
