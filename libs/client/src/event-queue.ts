/** Lets few events be written at a time, so that a flood of them never slows down the work that they tell of. */
export interface EventQueue {
  /** Runs the job when it is its turn, first come first served. */
  run(job: () => Promise<void>): Promise<void>;
}

/** Recorders of one process may share a queue. Upstream's recorder has one write under way; ours two. */
export function createEventQueue(options: { inFlight: number } = { inFlight: 2 }): EventQueue {
  let waiting: (() => void)[] = [];
  let next = 0;
  let running = 0;
  const finished = (): void => {
    const begin = waiting[next];
    if (!begin) {
      waiting = [];
      next = 0;
      running -= 1;
      return;
    }
    next += 1;
    if (next === 1024) {
      waiting = waiting.slice(next);
      next = 0;
    }
    begin();
  };
  return {
    async run(job) {
      if (running < options.inFlight) running += 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        await job();
      } finally {
        finished();
      }
    },
  };
}
