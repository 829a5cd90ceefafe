/** An image on the node, with what is known of its use. Times in milliseconds. */
export interface CollectableImage {
  readonly id: string;
  readonly sizeBytes: number;
  readonly isPinned: boolean;
  readonly isUsed: boolean;
  readonly firstSeenMs: number;
  readonly lastUsedMs: number;
}

export interface CollectionPolicy {
  /** Percent of the disk in use at which collecting begins, and down to which it goes. */
  readonly highPercent: number;
  readonly lowPercent: number;
  /** Younger images are kept. */
  readonly minimumAgeMs: number;
  /** Images unused for longer go in any case; 0: none. */
  readonly maximumAgeMs: number;
}

export interface DiskState {
  readonly capacityBytes: number;
  readonly availableBytes: number;
}

export interface CollectionPlan {
  readonly remove: readonly CollectableImage[];
  /** How much was to be freed and how much cannot be; 0 when all is well. */
  readonly wantedBytes: number;
  readonly missingBytes: number;
}

/** Those that may go, the longest unused first. */
function candidates(images: readonly CollectableImage[], freshMs: number): CollectableImage[] {
  return images.filter(({ isPinned, isUsed }) => !isPinned && !isUsed).filter(({ lastUsedMs }) => lastUsedMs < freshMs).sort((a, b) => a.lastUsedMs - b.lastUsedMs || a.firstSeenMs - b.firstSeenMs);
}

/** Which images to remove now, as upstream's image manager decides it. `all`: disk is short, so every unused image goes whatever its age. Pure. */
export function planCollection(images: readonly CollectableImage[], input: { policy: CollectionPolicy; disk: DiskState; nowMs: number; all?: boolean }): CollectionPlan {
  const { policy, disk, nowMs } = input;
  const unused = candidates(images, nowMs);
  if (input.all) return { remove: unused, wantedBytes: 0, missingBytes: 0 };
  const remove = new Set(policy.maximumAgeMs > 0 ? unused.filter(({ lastUsedMs }) => nowMs - lastUsedMs > policy.maximumAgeMs) : []);
  const usedPercent = disk.capacityBytes > 0 ? 100 - Math.floor((disk.availableBytes * 100) / disk.capacityBytes) : 0;
  if (usedPercent < policy.highPercent) return { remove: [...remove], wantedBytes: 0, missingBytes: 0 };
  const wantedBytes = Math.floor((disk.capacityBytes * (100 - policy.lowPercent)) / 100) - disk.availableBytes;
  let freed = 0;
  for (const image of unused) {
    if (freed >= wantedBytes) break;
    if (nowMs - image.firstSeenMs < policy.minimumAgeMs && !remove.has(image)) continue;
    remove.add(image);
    freed += image.sizeBytes;
  }
  return { remove: [...remove], wantedBytes, missingBytes: Math.max(0, wantedBytes - freed) };
}
