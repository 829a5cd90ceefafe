import { VirtualClock, createMetrics } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { createWorkQueue } from './work-queue.ts';

test('a key waits once, is worked on once at a time, and comes back when added meanwhile', () => {
  const metrics = createMetrics();
  const queue = createWorkQueue<string>({ clock: new VirtualClock(), metrics }, { name: 'q' });
  queue.add('a');
  queue.add('a');
  expect(queue.take()).toBe('a');
  queue.add('a');
  queue.add('a');
  expect(queue.take()).toBeUndefined();
  queue.done('a');
  expect(queue.take()).toBe('a');
  queue.done('a');
  expect(queue.take()).toBeUndefined();
  expect(metrics.expose()).toContain('workqueue_adds_total{name="q"} 2');
});

test('failing keys back off exponentially and the queue has an overall rate', async () => {
  const clock = new VirtualClock();
  const queue = createWorkQueue<string>({ clock, metrics: createMetrics() }, { name: 'q', ratePerSecond: 10, burst: 3 });
  const waits: number[] = [];
  for (let i = 0; i < 3; i++) {
    const from = clock.monotonic();
    queue.addRateLimited('a');
    await clock.until(() => queue.length > 0, 1000, 1);
    waits.push(clock.monotonic() - from);
    queue.done(queue.take() ?? '');
  }
  expect(waits).toEqual([5, 10, 20]);
  queue.addRateLimited('b');
  await clock.advance(30);
  expect(queue.length).toBe(0);
  await clock.advance(70);
  expect(queue.take()).toBe('b');
  expect(queue.retries('a')).toBe(3);
});

test('the earliest of several delays counts, and shutting down cancels all', async () => {
  const clock = new VirtualClock();
  const queue = createWorkQueue<string>({ clock, metrics: createMetrics() }, { name: 'q' });
  queue.addAfter('a', 500);
  queue.addAfter('a', 100);
  queue.addAfter('a', 300);
  await clock.advance(100);
  expect(queue.take()).toBe('a');
  queue.addAfter('b', 100);
  queue.shutDown();
  expect(clock.pending).toBe(0);
});

test('work in progress is told at every scrape, of all queues of a name', async () => {
  const clock = new VirtualClock();
  const metrics = createMetrics();
  const [one, other] = ['q', 'q'].map((name) => createWorkQueue<string>({ clock, metrics }, { name }));
  one?.add('a');
  one?.take();
  await clock.advance(2_000);
  other?.add('b');
  other?.take();
  await clock.advance(1_000);
  expect(metrics.expose()).toContain('workqueue_unfinished_work_seconds{name="q"} 4');
  expect(metrics.expose()).toContain('workqueue_longest_running_processor_seconds{name="q"} 3');
  one?.done('a');
  expect(metrics.expose()).toContain('workqueue_longest_running_processor_seconds{name="q"} 1');
  other?.shutDown();
  expect(metrics.expose()).toContain('workqueue_unfinished_work_seconds{name="q"} 0');
});
