import type { Env } from '@orrery/runtime';
import { Code, RpcError } from '@orrery/rpc';
import type { Image } from '@orrery/proto/cri';
import type { EmulatedImage } from '../images/define-image.ts';
import { type ImageReference, parseReference } from '../images/reference.ts';
import { type Missing, emulationOf, missing } from '../images/registry.ts';

/** An image on this node. */
export interface StoredImage {
  /** `sha256:…` */
  readonly id: string;
  readonly image: EmulatedImage;
  readonly sizeBytes: number;
  readonly tags: Set<string>;
  readonly digests: Set<string>;
}

async function sha256(text: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(text))).toString('hex');
}

/** A size that looks real and is the same every time, for images we know nothing about. */
function inventedSize(hex: string): number {
  return 8_000_000 + (Number.parseInt(hex.slice(0, 8), 16) % 190_000_000);
}

function cannotPull(reference: ImageReference, why: Missing): RpcError {
  const { canonical, domain, path, tag } = reference;
  const start = `failed to pull and unpack image "${canonical}": failed to resolve reference "${canonical}": `;
  if (why === 'not found') return new RpcError(Code.NOT_FOUND, `${start}${canonical}: not found`);
  if (why === 'forbidden') return new RpcError(Code.UNKNOWN, `${start}unexpected status from HEAD request to https://${domain}/v2/${path}/manifests/${tag}: 403 Forbidden`);
  return new RpcError(Code.UNKNOWN, `${start}failed to do request: Head "https://${domain}/v2/${path}/manifests/${tag}": dial tcp: lookup ${domain.split(':')[0]}: no such host`);
}

/** The images of one node. */
export class ImageStore {
  private readonly env: Env;
  private readonly pullMs: number;
  private readonly byId = new Map<string, StoredImage>();
  private readonly byReference = new Map<string, StoredImage>();
  private readonly descriptions = new WeakMap<StoredImage, Image>();
  private readonly pulling = new Map<string, Promise<StoredImage>>();

  constructor(env: Env, options: { pullMs: number }) {
    this.env = env;
    this.pullMs = options.pullMs;
  }

  /** By reference (any form), id, or digest reference. */
  find(text: string): StoredImage | undefined {
    // Most ask by the name in full.
    const named = this.byReference.get(text);
    if (named) return named;
    const id = text.startsWith('sha256:') ? text : /^[0-9a-f]{64}$/.test(text) ? `sha256:${text}` : undefined;
    if (id) return this.byId.get(id);
    const reference = parseReference(text);
    return reference && this.byReference.get(reference.canonical);
  }

  list(): readonly StoredImage[] {
    return [...this.byId.values()];
  }

  /** Pulls once at a time for each reference and kind of caller; the reference's digest form is stored too. */
  pull(text: string, hasLogin = false): Promise<StoredImage> {
    const reference = parseReference(text);
    if (!reference) return Promise.reject(new RpcError(Code.INVALID_ARGUMENT, `failed to parse image reference "${text}": invalid reference format`));
    const { canonical } = reference;
    const key = `${canonical} ${hasLogin}`;
    let pull = this.pulling.get(key);
    if (!pull) {
      pull = this.fetch(reference, hasLogin).finally(() => this.pulling.delete(key));
      this.pulling.set(key, pull);
    }
    return pull;
  }

  private async fetch(reference: ImageReference, hasLogin: boolean): Promise<StoredImage> {
    const { image, known } = emulationOf(reference);
    const why = missing(reference, known ? image : undefined, hasLogin);
    const have = this.byReference.get(reference.canonical);
    if (have && !why) return have;
    if (this.pullMs > 0) await this.env.clock.sleep(this.pullMs * (0.5 + this.env.random.next()));
    if (why) throw cannotPull(reference, why);
    const hex = await sha256(reference.digest ? `${reference.repository}@${reference.digest}` : `${reference.repository}:${reference.tag}`);
    const id = `sha256:${hex}`;
    const stored = this.byId.get(id) ?? { id, image, sizeBytes: known ? image.sizeBytes : inventedSize(hex), tags: new Set<string>(), digests: new Set<string>() };
    const digest = `${reference.repository}@${reference.digest ?? `sha256:${await sha256(`manifest ${hex}`)}`}`;
    if (!reference.digest) stored.tags.add(reference.canonical);
    stored.digests.add(digest);
    this.descriptions.delete(stored);
    this.byId.set(id, stored);
    this.byReference.set(reference.canonical, stored);
    this.byReference.set(digest, stored);
    return stored;
  }

  /** Removes an image with all its references; nothing happens when it is not there. */
  remove(text: string): void {
    const stored = this.find(text);
    if (!stored) return;
    this.byId.delete(stored.id);
    for (const reference of [...stored.tags, ...stored.digests]) this.byReference.delete(reference);
  }

  /** As CRI tells of it; the same object for as long as nothing changes. */
  describe(stored: StoredImage): Image {
    let image = this.descriptions.get(stored);
    if (!image) this.descriptions.set(stored, (image = this.description(stored)));
    return image;
  }

  private description(stored: StoredImage): Image {
    const [uid] = (stored.image.user ?? '').split(':');
    return {
      id: stored.id,
      repoTags: [...stored.tags],
      repoDigests: [...stored.digests],
      size: BigInt(stored.sizeBytes),
      ...(uid ? { uid: { value: BigInt(uid) } } : {}),
      username: '',
      pinned: [...stored.tags].some((tag) => /\/pause:/.test(tag)),
    };
  }

  get usedBytes(): number {
    let sum = 0;
    for (const { sizeBytes } of this.byId.values()) sum += sizeBytes;
    return sum;
  }
}
