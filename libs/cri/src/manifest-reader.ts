/** A file with the manifest of a static pod. */
export interface ManifestFile {
  readonly name: string;
  readonly text: string;
}

/** The directory of a node that holds manifests of static pods. */
export interface ManifestReader {
  /** The regular files at `path` (a directory, or one file), none whose name begins with a dot, by name; empty when there is nothing. */
  list(path: string): Promise<ManifestFile[]>;
  /** Calls `changed` after something there changed. Returns what ends that; nothing is watched that is not there. */
  watch(path: string, changed: () => void): () => void;
}
