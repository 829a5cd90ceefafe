import { Events, Pods } from '@orrery/api';
import { VirtualClock, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { createEventRecorder } from './event-recorder.ts';
import { createFakeApi } from './testing/index.ts';

function setup() {
  const clock = new VirtualClock();
  const api = createFakeApi({ clock, random: seededRandom(1) });
  return { clock, api, recorder: createEventRecorder({ clock, log: silentLogger }, { api, component: 'test' }) };
}
const pod = { metadata: { name: 'p', namespace: 'a', uid: 'u' } };

test('a repeated event raises the count of the first, even when recorded at once', async () => {
  const { clock, api, recorder } = setup();
  for (let i = 0; i < 3; i++) recorder.event(Pods, pod, { type: 'Warning', reason: 'BackOff', message: 'again' });
  await recorder.flush();
  await clock.advance(5_000);
  recorder.event(Pods, pod, { type: 'Warning', reason: 'BackOff', message: 'again' });
  await recorder.flush();
  expect(api.objects(Events)).toMatchObject([
    { count: 4, reason: 'BackOff', type: 'Warning', firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:05Z', source: { component: 'test' }, involvedObject: { kind: 'Pod', uid: 'u' } },
  ]);
});

test('many similar events are combined, and a flood about one object is dropped', async () => {
  const { api, recorder } = setup();
  for (let i = 0; i < 40; i++) recorder.event(Pods, pod, { type: 'Normal', reason: 'Created', message: `made ${i}` });
  await recorder.flush();
  const events = api.objects(Events);
  expect(events).toHaveLength(10);
  expect(events.at(-1)).toMatchObject({ count: 16, message: '(combined from similar events): made 24' });
});
