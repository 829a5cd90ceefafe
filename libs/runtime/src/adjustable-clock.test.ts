import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdjustableClock } from './adjustable-clock.ts';
import { VirtualClock } from './virtual-clock.ts';

const hour = 3_600_000;
const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

function clocks(aheadMs = 0): { below: VirtualClock; clock: AdjustableClock } {
  const below = new VirtualClock();
  return { below, clock: new AdjustableClock(below, { aheadMs }) };
}

/** Says when it fired, by the clock itself. */
function recorder(clock: AdjustableClock): { log: string[]; note: (name: string) => () => void } {
  const log: string[] = [];
  const from = clock.monotonic();
  return { log, note: (name) => () => void log.push(`${name} ${clock.monotonic() - from}`) };
}

describe('a clock that nobody has touched', () => {
  it('is the clock below', async () => {
    const { below, clock } = clocks();
    const { log, note } = recorder(clock);
    clock.after(10, note('once'));
    const repeated = clock.every(20, note('every'));
    clock.after(15, note('never')).cancel();
    await below.advance(45);
    repeated.cancel();
    await below.advance(100);
    expect(log).toEqual(['once 10', 'every 20', 'every 40']);
    expect([clock.now(), clock.read().aheadMs]).toEqual([below.now(), 0]);
  });

  it('may start ahead', () => {
    const { below, clock } = clocks(6 * hour);
    expect(clock.now() - below.now()).toBe(6 * hour);
  });
});

describe('time that stands still', () => {
  it('fires nothing, and goes on where it was', async () => {
    const { below, clock } = clocks();
    const { log, note } = recorder(clock);
    clock.after(10, note('a'));
    await below.advance(4);
    clock.setSpeed(0);
    clock.after(3, note('set while it stood'));
    await below.advance(1000);
    expect([log, clock.read().speed, clock.read().aheadMs]).toEqual([[], 0, -1000]);
    clock.setSpeed(1);
    await below.advance(10);
    expect(log).toEqual(['set while it stood 7', 'a 10']);
  });

  it('fires what is due at once', async () => {
    const { below, clock } = clocks();
    clock.setSpeed(0);
    const { log, note } = recorder(clock);
    clock.after(0, note('now'));
    clock.after(1, note('later'));
    await below.advance(100);
    expect(log).toEqual(['now 0']);
  });
});

describe('time that runs faster', () => {
  it('fires timers sooner, at the right time', async () => {
    const { below, clock } = clocks();
    const { log, note } = recorder(clock);
    clock.every(60_000, note('minute'));
    clock.setSpeed(60);
    await below.advance(3000);
    expect(log).toEqual(['minute 60000', 'minute 120000', 'minute 180000']);
    clock.setSpeed(1);
    await below.advance(60_000);
    expect(log.at(-1)).toBe('minute 240000');
    expect(clock.read()).toMatchObject({ aheadMs: 177_000, speed: 1 });
  });

  it.each([-1, Number.NaN, 1e9])('not at %s', (factor) => {
    expect(() => clocks().clock.setSpeed(factor)).toThrow(RangeError);
  });
});

describe('time that is advanced', () => {
  it('fires all that falls due, in order, with room for what that leads to', async () => {
    const { below, clock } = clocks();
    const { log, note } = recorder(clock);
    clock.every(hour, note('cron'));
    clock.after(2.5 * hour, () => {
      note('late')();
      void Promise.resolve().then(() => clock.after(1000, note('consequence')));
    });
    const done: number[] = [];
    await clock.advance(3 * hour, { settle, onProgress: (ms) => done.push(ms) });
    expect(log).toEqual([`cron ${hour}`, `cron ${2 * hour}`, `late ${2.5 * hour}`, `consequence ${2.5 * hour + 1000}`, `cron ${3 * hour}`]);
    expect([clock.read().aheadMs, clock.now() - below.now()]).toEqual([3 * hour, 3 * hour]);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    await below.advance(hour);
    expect(log.at(-1)).toBe(`cron ${4 * hour}`);
  });

  it('lets work have its turn among timers that set themselves again at once', async () => {
    const { clock } = clocks();
    let isDone = false;
    let turns = 0;
    const poll = (): void => {
      turns++;
      if (!isDone) clock.after(0, poll);
    };
    poll();
    await clock.advance(10, { settle: async () => void (isDone = turns > 500) });
    expect(turns).toBeLessThan(1000);
  });

  it('stays where it was aborted, and takes one at a time', async () => {
    const { clock } = clocks();
    const abort = new AbortController();
    clock.after(hour, () => abort.abort());
    clock.every(1000, () => undefined);
    const under = clock.advance(10 * hour, { settle, signal: abort.signal });
    await expect(clock.advance(1, { settle })).rejects.toThrow('time is being advanced');
    expect(() => clock.setSpeed(2)).toThrow('time is being advanced');
    await under;
    expect(clock.read()).toMatchObject({ aheadMs: hour, speed: 1 });
  });

  it('keeps standing still when it did', async () => {
    const { below, clock } = clocks();
    clock.setSpeed(0);
    await clock.advance(hour, { settle });
    expect(clock.read()).toMatchObject({ aheadMs: hour, speed: 0 });
    await below.advance(1000);
    expect(clock.read().aheadMs).toBe(hour - 1000);
  });
});

describe('whatever is done to it', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ do: fc.constant('run' as const), ms: fc.integer({ min: 0, max: 5000 }) }),
      fc.record({ do: fc.constant('speed' as const), factor: fc.constantFrom(0, 0.5, 1, 2, 60) }),
      fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 100_000 }) }),
      fc.record({ do: fc.constant('set' as const), ms: fc.integer({ min: 0, max: 20_000 }) }),
    ),
    { maxLength: 25 },
  );

  it('time never goes back, timers never fire early, all fire once', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const { below, clock } = clocks();
        const fired: number[] = [];
        let set = 0;
        let last = clock.monotonic();
        const check = (): void => {
          expect(clock.monotonic()).toBeGreaterThanOrEqual(last - 1e-6);
          last = clock.monotonic();
        };
        for (const step of list) {
          if (step.do === 'run') await below.advance(step.ms);
          else if (step.do === 'speed') clock.setSpeed(step.factor);
          else if (step.do === 'advance') await clock.advance(step.ms, { settle });
          else {
            const [id, due] = [set++, clock.monotonic() + step.ms];
            clock.after(step.ms, () => {
              check();
              expect(clock.monotonic()).toBeGreaterThanOrEqual(due - 1e-6);
              fired.push(id);
            });
          }
          check();
        }
        clock.setSpeed(1);
        await below.advance(200_000);
        expect([...fired].sort((a, b) => a - b)).toEqual(Array.from({ length: set }, (_, i) => i));
      }),
    );
  });
});

describe('time that jumps', () => {
  it('lets what fell due meanwhile come late, at once and in order', async () => {
    const { below, clock } = clocks();
    const { log, note } = recorder(clock);
    clock.after(2_000, note('two'));
    clock.after(1_000, note('one'));
    clock.after(2 * hour, note('later'));
    clock.jump(hour);
    expect(clock.now() - below.now()).toBe(hour);
    await below.advance(1);
    expect(log).toEqual([`one ${hour}`, `two ${hour}`]);
    await below.advance(hour);
    expect(log).toHaveLength(3);
    expect(() => clock.jump(-1)).toThrow(RangeError);
  });
});
