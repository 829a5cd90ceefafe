import { gunzipSync, gzipSync } from 'node:zlib';

/** A file of a cluster's data directory. */
export interface SavedFile {
  /** Relative to the data directory, with `/`. */
  readonly path: string;
  readonly mode: number;
  readonly bytes: Uint8Array;
}

/** The whole state of a cluster: the store's backup (of `etcdctl snapshot save`) and what lies beside it. */
export interface ClusterSnapshot {
  readonly takenMs: number;
  readonly layout: 'single' | 'processes';
  readonly nodes: number;
  readonly store: Uint8Array;
  readonly files: readonly SavedFile[];
}

const format = 'orrery-snapshot';
const version = 1;

interface Encoded {
  readonly format: string;
  readonly version: number;
  readonly takenMs: number;
  readonly layout: ClusterSnapshot['layout'];
  readonly nodes: number;
  readonly store: string;
  readonly files: readonly { readonly path: string; readonly mode: number; readonly data: string }[];
}

/** One gzipped JSON document. */
export function encodeSnapshot({ store, files, ...rest }: ClusterSnapshot): Buffer {
  const encoded: Encoded = { format, version, ...rest, store: Buffer.from(store).toString('base64'), files: files.map(({ path, mode, bytes }) => ({ path, mode, data: Buffer.from(bytes).toString('base64') })) };
  return gzipSync(JSON.stringify(encoded));
}

/** A path that leads out of the data directory is none of ours. */
function isInside(path: string): boolean {
  return path !== '' && !path.startsWith('/') && !path.split('/').some((part) => part === '..' || part === '');
}

/** Reads it. Throws an Error that says what is wrong with the file. */
export function decodeSnapshot(bytes: Uint8Array): ClusterSnapshot {
  let encoded: Partial<Encoded>;
  try {
    encoded = JSON.parse(gunzipSync(bytes).toString('utf8')) as Partial<Encoded>;
  } catch (error) {
    throw new Error(`it is no snapshot of a cluster, or is damaged (${(error as Error).message})`);
  }
  if (encoded.format !== format) throw new Error('it is no snapshot of a cluster');
  if (encoded.version !== version) throw new Error(`it has version ${String(encoded.version)}, this build reads ${version}`);
  const { takenMs = 0, layout = 'single', nodes = 0, store = '', files = [] } = encoded;
  const wrong = files.find(({ path }) => !isInside(path));
  if (wrong) throw new Error(`it holds a file outside of the data directory: ${wrong.path}`);
  return { takenMs, layout, nodes, store: Buffer.from(store, 'base64'), files: files.map(({ path, mode, data }) => ({ path, mode, bytes: Buffer.from(data, 'base64') })) };
}
