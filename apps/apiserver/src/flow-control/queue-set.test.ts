import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QueueBench, type Sent } from './testing.ts';

const seats = (initialSeats: number, finalSeats = 0, lingerMs = 0) => ({ initialSeats, finalSeats, lingerMs });
const runs = (sent: Sent): boolean => typeof sent.outcome === 'object';

describe('a level without queues', () => {
  it('refuses what finds no seat', async () => {
    const bench = new QueueBench({}, 2);
    const [a, b, c] = [bench.send('a'), bench.send('b'), bench.send('c')];
    expect([runs(a), runs(b), c.outcome]).toEqual([true, true, 'concurrency-limit']);
    await bench.serve(a, 5);
    expect(runs(bench.send('d'))).toBe(true);
    expect(bench.series.rejected).toEqual(new Map([['concurrency-limit', 1]]));
  });

  it('limits nothing when it is exempt', () => {
    const bench = new QueueBench({ exempt: true }, 0);
    expect([...'abcdef'].every((flow) => runs(bench.send(flow)))).toBe(true);
    expect(bench.set.executing.size).toBe(6);
  });
});

describe('a level with queues', () => {
  const config = { queues: 64, handSize: 6, queueLengthLimit: 50 };

  it('answers at once while seats are free, and lets others wait for their turn', async () => {
    const bench = new QueueBench(config, 1);
    const first = bench.send('a');
    const second = bench.send('a');
    expect([runs(first), second.outcome]).toEqual([true, undefined]);
    await bench.serve(first, 10);
    expect(runs(second)).toBe(true);
  });

  it('lets no elephant starve a mouse', async () => {
    const bench = new QueueBench(config, 4);
    const elephant = Array.from({ length: 200 }, () => bench.send('elephant'));
    const mouse = bench.send('mouse');
    let running = elephant.filter(runs);
    for (let served = 0; !runs(mouse) && served < 200; served++) {
      await bench.serve(running[0] as Sent, 10);
      running = elephant.filter((sent) => runs(sent) && bench.set.executing.has(sent.outcome as never));
    }
    // Its hand has at most six of the elephant's queues; it waits for one of each at the very most.
    expect(mouse.order).toBeLessThan(4 + 10);
  });

  it('shares seats evenly between flows that want more than they get', async () => {
    const bench = new QueueBench({ queues: 2, handSize: 1, queueLengthLimit: 1000 }, 1);
    const flows = ['a', 'b', 'c', 'd', 'e', 'f'];
    const first = bench.send('a');
    const other = flows.find((flow) => {
      const probe = bench.send(flow);
      return bench.set.queues.filter((queue) => queue.active).length === 2 ? probe : undefined;
    }) as string;
    const sent = [...Array.from({ length: 50 }, () => bench.send('a')), ...Array.from({ length: 50 }, () => bench.send(other))];
    let current: Sent | undefined = first;
    for (let i = 0; i < 40; i++) {
      // What `a` asks for takes ten times as long.
      await bench.serve(current as Sent, current?.flow === 'a' ? 10 : 1);
      current = [...sent].find((one) => bench.set.executing.has(one.outcome as never)) ?? [...bench.set.executing].map((outcome): Sent => ({ flow: outcome.arrival.distinguisher, outcome, order: 0 }))[0];
    }
    const served = (flow: string): number => sent.filter((one) => one.flow === flow && runs(one)).length;
    expect(served(other)).toBeGreaterThan(4 * served('a'));
  });

  it('refuses when the queue is full', () => {
    const bench = new QueueBench({ queues: 1, handSize: 1, queueLengthLimit: 2 }, 1);
    const sent = [...'abcd'].map((flow) => bench.send(flow));
    expect(sent.map((one) => (runs(one) ? 'runs' : one.outcome))).toEqual(['runs', undefined, undefined, 'queue-full']);
  });

  it('gives up what waited too long or is waited for no more, and frees its place', async () => {
    const bench = new QueueBench({ queues: 1, handSize: 1, queueLengthLimit: 2 }, 1);
    const abort = new AbortController();
    const [running, late, gone] = [bench.send('a'), bench.send('b', { waitMs: 100 }), bench.send('c', { signal: abort.signal })];
    abort.abort();
    await bench.clock.advance(99);
    expect([late.outcome, gone.outcome]).toEqual([undefined, 'cancelled']);
    await bench.clock.advance(1);
    expect(late.outcome).toBe('time-out');
    expect([bench.set.waiting, bench.set.seatsWaiting]).toEqual([0, 0]);
    const next = bench.send('d');
    await bench.serve(running, 1);
    expect(runs(next)).toBe(true);
  });

  it('holds the final seats for a while after the answer', async () => {
    const bench = new QueueBench(config, 4);
    const write = bench.send('w', { work: seats(1, 4, 50) });
    bench.finish(write);
    const next = bench.send('x');
    expect(bench.set.seatsInUse).toBe(4);
    await bench.clock.advance(49);
    expect(next.outcome).toBeUndefined();
    await bench.clock.advance(1);
    expect(runs(next)).toBe(true);
  });

  it('lets one that wants more than there is run alone, with as much work on fewer seats', async () => {
    const bench = new QueueBench(config, 2);
    const small = bench.send('s');
    const big = bench.send('b', { work: seats(1, 10, 10) });
    expect(big.outcome).toBeUndefined();
    await bench.serve(small, 1);
    expect(big.outcome).toMatchObject({ work: { finalSeats: 2, lingerMs: 50 } });
  });

  it('keeps those who wait when its shape changes', async () => {
    const bench = new QueueBench(config, 1);
    const running = bench.send('a');
    const waiting = bench.send('b');
    bench.set.configure({ queues: 1, handSize: 1, queueLengthLimit: 1, exempt: false }, 1);
    await bench.serve(running, 1);
    expect(runs(waiting)).toBe(true);
    await bench.serve(waiting, 1);
    expect(bench.set.queues.length).toBe(1);
  });
});

interface Step {
  readonly kind: 'send' | 'finish' | 'abort' | 'wait' | 'resize';
  readonly flow: number;
  readonly amount: number;
}

const step = fc.record({ kind: fc.constantFrom<Step['kind'][]>('send', 'send', 'send', 'finish', 'finish', 'abort', 'wait', 'resize'), flow: fc.nat(5), amount: fc.nat(7) });

describe('any sequence of requests', () => {
  it('leaks no seat and forgets nobody', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const config = { queues: 4, handSize: 2, queueLengthLimit: 3 };
        const bench = new QueueBench(config, 3);
        const sent: { sent: Sent; abort: AbortController }[] = [];
        const running = (): Sent[] => sent.map((one) => one.sent).filter((one) => bench.set.executing.has(one.outcome as never));
        for (const { kind, flow, amount } of steps) {
          if (kind === 'send') {
            const abort = new AbortController();
            const work = { initialSeats: 1 + (amount % 3), finalSeats: amount % 5, lingerMs: amount % 2 ? 0 : amount };
            sent.push({ abort, sent: bench.send(`f${flow}`, { work, waitMs: 1 + amount * 10, signal: abort.signal }) });
          } else if (kind === 'finish') {
            const one = running()[flow];
            if (one) bench.finish(one);
          } else if (kind === 'abort') sent[flow]?.abort.abort();
          else if (kind === 'resize') bench.set.configure({ ...config, queues: 2 + (flow % 4), exempt: false }, 1 + amount);
          await bench.clock.advance(kind === 'wait' ? amount * 5 : 0);
        }
        await bench.clock.advance(100);
        while (running().length) {
          bench.finish(running()[0] as Sent);
          // Longer than any linger.
          await bench.clock.advance(100);
        }
        expect([bench.set.seatsInUse, bench.set.seatsWaiting, bench.set.waiting, bench.set.executing.size]).toEqual([0, 0, 0, 0]);
        const { executing, executingSeats, waiting, waitingSeats } = bench.series;
        expect([executing, executingSeats, waiting, waitingSeats]).toEqual([0, 0, 0, 0]);
        expect(bench.set.queues.every((queue) => !queue.active && queue.seatsInUse === 0 && queue.waitingWork === 0)).toBe(true);
        expect(sent.every((one) => one.sent.outcome !== undefined)).toBe(true);
        expect(Number.isFinite(bench.set.currentR)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});
