import { VirtualClock } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { type PodInfo, podInfo } from '../cache/pod-info.ts';
import { unresolvable } from '../framework/status.ts';
import type { EventInterest } from '../framework/types.ts';
import { createSchedulingQueue } from './scheduling-queue.ts';

const pod = (name: string, gate = ''): PodInfo => podInfo({ metadata: { name, namespace: 'd', uid: name, labels: { gate } }, spec: { containers: [] } });

function world(interests: readonly EventInterest[] = [{ resource: 'Node', actions: ['Add'] }]) {
  const clock = new VirtualClock();
  const moves: string[] = [];
  const hints: string[] = [];
  const queue = createSchedulingQueue({
    clock,
    less: (a, b) => a.firstMs < b.firstMs,
    preEnqueue: ({ pod: { metadata } }) => (metadata?.labels?.['gate'] ? { ...unresolvable('gated'), plugin: 'Gate' } : undefined),
    interests: (plugin) => (plugin === 'Fit' || plugin === 'Gate' ? interests : []),
    initialBackoffMs: 1_000,
    maxBackoffMs: 10_000,
    flushAfterMs: 300_000,
    incoming: (name, event) => moves.push(`${name}/${event}`),
    hinted: (plugin, { resource, action }, hint) => hints.push(`${plugin} ${resource}${action} ${hint}`),
  });
  const refuse = (by = 'Fit') => {
    const popped = queue.pop();
    if (popped) queue.refuse(popped, new Set([by]));
  };
  return { clock, queue, moves, hints, refuse };
}

describe('the scheduling queue', () => {
  it('asks the hints of who refused a pod, one that fails among them, and tells what they said and what it keeps meanwhile', () => {
    const answers = ['Skip', 'Queue'];
    const { queue, refuse, hints } = world([
      { resource: 'Node', actions: ['Add'], hint: () => answers.shift() as 'Skip' | 'Queue' },
      { resource: 'AssignedPod', actions: ['Delete'], hint: () => { throw new Error('broken'); } },
    ]);
    for (const name of ['p', 'q']) queue.add(pod(name));
    refuse();
    queue.onEvent({ resource: 'Node', action: 'Add' });
    expect(queue.counts().unschedulable).toBe(1);
    const tried = queue.pop();
    queue.onEvent({ resource: 'Node', action: 'Add' });
    expect(queue.counts().unschedulable).toBe(0);
    expect(queue.inFlight()).toEqual(new Map([['PodPopped', 1], ['NodeAdd', 1]]));
    if (tried) queue.refuse(tried, new Set(['Other']));
    refuse();
    queue.onEvent({ resource: 'AssignedPod', action: 'Delete' });
    expect(hints).toEqual(['Fit NodeAdd QueueSkip', 'Fit NodeAdd Queue', 'Fit AssignedPodDelete Error']);
    queue.close();
  });

  it('brings a refused pod back by an event its refuser is interested in, and no other', () => {
    const { queue, refuse, moves } = world();
    queue.add(pod('p'));
    refuse();
    queue.onEvent({ resource: 'Node', action: 'Delete' });
    expect(queue.counts()).toMatchObject({ unschedulable: 1 });
    queue.onEvent({ resource: 'Node', action: 'Add' });
    expect(queue.counts()).toMatchObject({ unschedulable: 0, backoff: 1 });
    expect(moves).toEqual(['active/UnschedulablePodAdd', 'unschedulable/ScheduleAttemptFailure', 'backoff/NodeAdd']);
    queue.close();
  });

  it('counts events that come while a pod is tried', () => {
    const { queue } = world();
    queue.add(pod('p'));
    queue.add(pod('other'));
    const tried = queue.pop();
    const other = queue.pop();
    queue.onEvent({ resource: 'Node', action: 'Add' });
    if (tried) queue.refuse(tried, new Set(['Fit']));
    expect(queue.counts()).toMatchObject({ unschedulable: 0, backoff: 1 });
    if (other) queue.done(other.info.key);
    queue.close();
  });

  it('takes pods from back-off while nothing is active, but not those that failed by an error', () => {
    const { queue, refuse } = world();
    queue.add(pod('failed'));
    const failed = queue.pop();
    if (failed) queue.retry(failed);
    queue.add(pod('p'));
    refuse();
    queue.onEvent({ resource: 'Node', action: 'Add' });
    queue.add(pod('fresh'));
    expect([queue.pop()?.info.uid, queue.pop()?.info.uid, queue.pop()?.info.uid]).toEqual(['fresh', 'p', undefined]);
    queue.close();
  });

  it('doubles the back-off up to the longest', async () => {
    const { queue, clock } = world();
    queue.add(pod('p'));
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      const tried = queue.pop();
      if (tried) queue.retry(tried);
      const began = clock.monotonic();
      while (queue.counts().active === 0) await clock.advance(500);
      waits.push(clock.monotonic() - began);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    queue.close();
  });

  it('tries pods again after five minutes without an event', async () => {
    const { queue, clock, refuse, moves } = world();
    queue.add(pod('p'));
    refuse();
    await clock.advance(299_000);
    expect(queue.counts().unschedulable).toBe(1);
    await clock.advance(31_000);
    expect(queue.counts()).toMatchObject({ active: 1, unschedulable: 0 });
    expect(moves.at(-1)).toBe('active/UnschedulableTimeout');
    queue.close();
  });

  it('keeps gated pods until a change or an event opens the gate, and forgets what is deleted while it is tried', () => {
    const { queue, moves } = world();
    queue.add(pod('p', 'closed'));
    queue.onEvent({ resource: 'Node', action: 'Add' });
    expect(queue.counts()).toMatchObject({ gated: 1, active: 0 });
    queue.update(pod('p', 'closed'), pod('p'));
    expect(queue.counts()).toMatchObject({ gated: 0, active: 1 });
    expect(moves.slice(0, 1)).toEqual(['gated/UnschedulablePodAdd']);
    const tried = queue.pop();
    queue.remove('d/p');
    if (tried) queue.refuse(tried, new Set(['Fit']));
    expect(queue.counts()).toEqual({ active: 0, backoff: 0, unschedulable: 0, gated: 0 });
    queue.close();
  });
});
