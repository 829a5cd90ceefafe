import type { DirectoryNode, TreeNode } from './node-tree.ts';

/** One entry of an image: text or bytes, with what differs from a plain 0644 file of root. */
export type ImageEntry =
  | string
  | Uint8Array
  | { readonly content: string | Uint8Array; readonly mode?: number; readonly uid?: number }
  | { readonly link: string }
  | { readonly directory: true; readonly mode?: number; readonly uid?: number }
  | { readonly device: string; readonly mode?: number };

/** The build time that image files carry. */
export const layerTimeMs = Date.UTC(2026, 0, 1);

const encoder = new TextEncoder();

function directory(mode = 0o755): DirectoryNode {
  return { kind: 'directory', entries: new Map(), mode, mtimeMs: layerTimeMs, shared: true };
}

function nodeOf(entry: ImageEntry): TreeNode {
  if (typeof entry === 'string') return { kind: 'file', bytes: encoder.encode(entry), mode: 0o644, mtimeMs: layerTimeMs, shared: true };
  if (entry instanceof Uint8Array) return { kind: 'file', bytes: entry, mode: 0o644, mtimeMs: layerTimeMs, shared: true };
  if ('link' in entry) return { kind: 'symlink', target: entry.link, mtimeMs: layerTimeMs, shared: true };
  if ('device' in entry) return { kind: 'device', device: entry.device, mode: entry.mode ?? 0o666, mtimeMs: layerTimeMs, shared: true };
  const uid = entry.uid === undefined ? {} : { uid: entry.uid, gid: entry.uid };
  if ('directory' in entry) return { ...directory(entry.mode), ...uid };
  const bytes = typeof entry.content === 'string' ? encoder.encode(entry.content) : entry.content;
  return { kind: 'file', bytes, mode: entry.mode ?? 0o644, mtimeMs: layerTimeMs, shared: true, ...uid };
}

/** Builds the root of an image once; every container over it shares the nodes. Later entries win. */
export function buildLayer(files: Readonly<Record<string, ImageEntry>>): DirectoryNode {
  const root = directory();
  for (const [path, entry] of Object.entries(files)) {
    const parts = path.split('/').filter(Boolean);
    const name = parts.pop();
    if (name === undefined) continue;
    let at = root;
    for (const part of parts) {
      let next = at.entries.get(part);
      if (next?.kind !== 'directory') at.entries.set(part, (next = directory()));
      at = next;
    }
    const existing = at.entries.get(name);
    const node = nodeOf(entry);
    if (existing?.kind === 'directory' && node.kind === 'directory') Object.assign(existing, { mode: node.mode, ...(node.uid === undefined ? {} : { uid: node.uid, gid: node.gid }) });
    else at.entries.set(name, node);
  }
  return root;
}

/** Bytes of all files below a node. */
export function treeBytes(node: TreeNode): number {
  if (node.kind === 'file') return node.bytes.length;
  if (node.kind !== 'directory') return 0;
  let sum = 0;
  for (const child of node.entries.values()) sum += treeBytes(child);
  return sum;
}
