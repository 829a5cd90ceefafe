import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { type CollectableImage, planCollection } from './image-collection.ts';

const minute = 60_000;
const policy = { highPercent: 85, lowPercent: 80, minimumAgeMs: 2 * minute, maximumAgeMs: 0 };
const image = (id: string, more: Partial<CollectableImage> = {}): CollectableImage => ({ id, sizeBytes: 4, isPinned: false, isUsed: false, firstSeenMs: 0, lastUsedMs: 0, ...more });
const images = [image('used', { isUsed: true }), image('pinned', { isPinned: true }), image('young', { firstSeenMs: 99 * minute, lastUsedMs: 1 }), image('late', { lastUsedMs: 50 * minute }), image('early', { lastUsedMs: 10 * minute })];
const plan = (availableBytes: number, more: object = {}) => {
  const { remove, ...rest } = planCollection(images, { policy: { ...policy, ...more }, disk: { capacityBytes: 100, availableBytes }, nowMs: 100 * minute });
  return { ids: remove.map(({ id }) => id), ...rest };
};

test('below the high threshold nothing goes; above it the longest unused go until the low one is met', () => {
  expect(plan(16).ids).toEqual([]);
  expect(plan(15)).toEqual({ ids: ['early', 'late'], wantedBytes: 5, missingBytes: 0 });
  expect(plan(0)).toEqual({ ids: ['early', 'late'], wantedBytes: 20, missingBytes: 12 });
});

test('too long unused goes whatever the disk; disk pressure takes all that is unused', () => {
  expect(plan(100, { maximumAgeMs: 60 * minute }).ids).toEqual(['young', 'early']);
  expect(planCollection(images, { policy, disk: { capacityBytes: 100, availableBytes: 50 }, nowMs: 100 * minute, all: true }).remove.map(({ id }) => id)).toEqual(['young', 'early', 'late']);
});

test('a full disk: unused images are removed, those of pods stay, and the node tells when that was not enough', async () => {
  const f = fixture({ config: { ephemeralStorage: '1Gi', evictionHard: [] }, script: () => ({ diskBytes: 1024 ** 3 }) });
  await f.kubelet.start();
  f.cri.images.set('old:1', { id: 'sha256:old', repoTags: ['old:1'], size: 1000n });
  await f.create('web', { containers: [container('app')] });
  await f.clock.advance(620_000);
  expect([...f.cri.images.keys()].some((name) => name.startsWith('app'))).toBe(true);
  expect(f.cri.images.has('old:1')).toBe(false);
  expect(f.events()).toContainEqual(expect.stringMatching(/^FreeDiskSpaceFailed: Failed to garbage collect required amount of images\. Attempted to free \d+ bytes, but only found 1000 bytes eligible to free\.$/));
  await f.kubelet.stop();
  expect(f.clock.pending).toBe(0);
});
