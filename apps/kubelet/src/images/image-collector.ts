import { Nodes } from '@orrery/api';
import { parseQuantity, quantityValue } from '@orrery/apimachinery';
import { type Env, type Timer, parseGoDuration } from '@orrery/runtime';
import type { Kubelet } from '../component.ts';
import { podStorage, imageStorage } from '../stats/storage-usage.ts';
import { nodeUsage } from '../stats/usage.ts';
import { type CollectableImage, type CollectionPolicy, type DiskState, planCollection } from './image-collection.ts';

/** How often upstream looks at the disk, and how often it tells of a collection that did not suffice. */
const periodMs = 300_000;

/** Removes images that no container uses when the node's disk fills up, or when they have been unused for too long. */
export class ImageCollector {
  private readonly env: Env;
  private readonly kubelet: Kubelet;
  private readonly policy: CollectionPolicy;
  private readonly seen = new Map<string, { firstSeenMs: number; lastUsedMs: number }>();
  private timer: Timer | undefined;

  constructor(env: Env, kubelet: Kubelet) {
    const { config } = kubelet.context;
    this.env = env;
    this.kubelet = kubelet;
    this.policy = { highPercent: config.imageGcHighThreshold, lowPercent: config.imageGcLowThreshold, minimumAgeMs: parseGoDuration(config.minimumImageTtlDuration), maximumAgeMs: parseGoDuration(config.imageMaximumGcAge) };
  }

  /** A threshold of 100 means never, as upstream has it. */
  start(): void {
    if (this.policy.highPercent >= 100 && this.policy.maximumAgeMs === 0) return;
    this.timer = this.env.clock.after(Math.floor(this.env.random.next() * periodMs), () => void this.tick());
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  /** Removes what may go. `all`: every unused image. */
  async collect({ all = false }: { all?: boolean } = {}): Promise<void> {
    const images = await this.images();
    const plan = planCollection(images, { policy: this.policy, disk: await this.disk(), nowMs: this.env.clock.now(), all });
    let freed = 0;
    for (const { id, sizeBytes } of plan.remove) {
      await this.kubelet.context.runtime.clients.images.removeImage({ image: { image: id } });
      await this.kubelet.context.images.removed(id);
      this.seen.delete(id);
      freed += sizeBytes;
      this.env.metrics.counter('kubelet_image_garbage_collected_total', 'Total number of images garbage collected by the kubelet, whether through disk usage or image age.').inc({ reason: all || plan.wantedBytes ? 'space' : 'age' });
    }
    if (plan.missingBytes === 0) return;
    const message = `Failed to garbage collect required amount of images. Attempted to free ${plan.wantedBytes} bytes, but only found ${freed} bytes eligible to free.`;
    this.kubelet.context.events.event(Nodes, this.kubelet.node(), { type: 'Warning', reason: 'FreeDiskSpaceFailed', message });
  }

  private async tick(): Promise<void> {
    try {
      await this.collect();
    } catch (error) {
      this.env.log.warn('images were not collected', { node: this.kubelet.nodeName, error: (error as Error).message });
    }
    if (this.timer) this.timer = this.env.clock.after(periodMs, () => void this.tick());
  }

  private async images(): Promise<CollectableImage[]> {
    const { clients } = this.kubelet.context.runtime;
    const nowMs = this.env.clock.now();
    const [{ images = [] }, { containers = [] }] = await Promise.all([clients.images.listImages({}), clients.runtime.listContainers({})]);
    const used = new Set(containers.flatMap(({ imageRef = '', imageId = '', image }) => [imageRef, imageId, image?.image ?? '']));
    const found = images.map(({ id = '', repoTags = [], repoDigests = [], size = 0n, pinned = false }): CollectableImage => {
      const isUsed = [id, ...repoTags, ...repoDigests].some((name) => used.has(name));
      const before = this.seen.get(id);
      const times = { firstSeenMs: before?.firstSeenMs ?? nowMs, lastUsedMs: isUsed ? nowMs : (before?.lastUsedMs ?? 0) };
      this.seen.set(id, times);
      return { id, sizeBytes: Number(size), isPinned: pinned, isUsed, ...times };
    });
    for (const id of [...this.seen.keys()]) if (!found.some((image) => image.id === id)) this.seen.delete(id);
    return found;
  }

  private async disk(): Promise<DiskState> {
    const { kubelet } = this;
    const capacityBytes = quantityValue(parseQuantity(kubelet.context.config.ephemeralStorage));
    const { pods } = await nodeUsage(kubelet);
    const storages = await Promise.all(pods.map((pod) => podStorage(kubelet, pod)));
    const images = await imageStorage(kubelet);
    const usedBytes = storages.reduce((so, { total }) => so + total.bytes, images.bytes);
    return { capacityBytes, availableBytes: Math.max(0, capacityBytes - usedBytes) };
  }
}
