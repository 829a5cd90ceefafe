import type { Table } from '../ledger.ts';
import { RegistryError, digestPattern } from './path.ts';

/** What is kept of a manifest; its text is in the journal, too: manifests are small. */
export interface SavedManifest {
  readonly repository: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly text: string;
}

export interface SavedTag {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

export const maxManifestBytes = 4 * 1024 * 1024;

interface Descriptor {
  readonly mediaType?: string;
  readonly digest?: string;
  readonly size?: number;
}

interface Manifest extends Descriptor {
  readonly artifactType?: string;
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
  readonly manifests?: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

function invalid(message: string): RegistryError {
  return new RegistryError(400, 'MANIFEST_INVALID', message);
}

export function parseManifest(text: string): Manifest {
  try {
    const parsed = JSON.parse(text) as unknown;
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Manifest;
  } catch {
    // Told below.
  }
  throw invalid('manifest is not a JSON object');
}

/** Digests of the blobs, and of the manifests, that a manifest needs. Throws RegistryError. */
export function referencesOf({ config, layers = [], manifests = [] }: Manifest): { readonly blobs: string[]; readonly manifests: string[] } {
  const digest = (one: Descriptor): string => {
    if (!digestPattern.test(one.digest ?? '')) throw invalid('a descriptor of the manifest has no sha256 digest');
    return one.digest ?? '';
  };
  return { blobs: [...(config ? [config] : []), ...layers].map(digest), manifests: manifests.map(digest) };
}

export interface Manifests {
  /** By tag or digest. */
  find(repository: string, reference: string): SavedManifest | undefined;
  put(manifest: SavedManifest, tag: string | undefined): void;
  /** A digest takes its tags with it. False: there is none. */
  remove(repository: string, reference: string): boolean;
  tags(repository: string): string[];
  repositories(): string[];
  /** Descriptors of the manifests whose subject that is. */
  referrers(repository: string, digest: string): object[];
  /** Whether some manifest of the repository needs the blob. */
  needs(repository: string, blob: string): boolean;
}

const manifestKey = (repository: string, digest: string): string => `${repository}@${digest}`;
const tagKey = (repository: string, tag: string): string => `${repository}:${tag}`;

export function createManifests(tables: { readonly manifests: Table<SavedManifest>; readonly tags: Table<SavedTag> }): Manifests {
  const { manifests, tags } = tables;
  const ofRepository = (repository: string): SavedManifest[] => [...manifests.values()].filter((one) => one.repository === repository);
  return {
    find(repository, reference) {
      const digest = reference.includes(':') ? reference : tags.get(tagKey(repository, reference))?.digest;
      return digest ? manifests.get(manifestKey(repository, digest)) : undefined;
    },
    put(manifest, tag) {
      const { repository, digest } = manifest;
      manifests.put(manifestKey(repository, digest), manifest);
      if (tag !== undefined) tags.put(tagKey(repository, tag), { repository, tag, digest });
    },
    remove(repository, reference) {
      if (!reference.includes(':')) {
        const found = tags.get(tagKey(repository, reference)) !== undefined;
        tags.delete(tagKey(repository, reference));
        return found;
      }
      if (!manifests.get(manifestKey(repository, reference))) return false;
      manifests.delete(manifestKey(repository, reference));
      for (const tag of [...tags.values()]) if (tag.repository === repository && tag.digest === reference) tags.delete(tagKey(repository, tag.tag));
      return true;
    },
    tags: (repository) => [...tags.values()].flatMap((tag) => (tag.repository === repository ? [tag.tag] : [])).sort(),
    repositories: () => [...new Set([...manifests.values()].map(({ repository }) => repository))].sort(),
    referrers: (repository, digest) =>
      ofRepository(repository).flatMap((one) => {
        const { subject, artifactType, config, annotations } = parseManifest(one.text);
        if (subject?.digest !== digest) return [];
        return [{ mediaType: one.mediaType, digest: one.digest, size: Buffer.byteLength(one.text), artifactType: artifactType ?? config?.mediaType, annotations }];
      }),
    needs: (repository, blob) => ofRepository(repository).some(({ text }) => referencesOf(parseManifest(text)).blobs.includes(blob)),
  };
}
