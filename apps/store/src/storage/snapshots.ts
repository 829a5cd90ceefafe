import type { Disk } from '@orrery/runtime';

const prefix = 'snap-';
const suffix = '.db';
const partial = '.part';

function snapshotName(index: number): string {
  return `${prefix}${index.toString(16).padStart(14, '0')}${suffix}`;
}

function indexOf(name: string): number | undefined {
  if (!name.startsWith(prefix) || !name.endsWith(suffix)) return undefined;
  const index = Number.parseInt(name.slice(prefix.length, -suffix.length), 16);
  return Number.isInteger(index) ? index : undefined;
}

/** Writes a file so that it is there whole, or not at all. Returns its size. */
export async function writeWhole(disk: Disk, target: { dir: string; name: string }, chunks: AsyncIterable<Uint8Array>): Promise<number> {
  const path = `${target.dir}/${target.name}`;
  await disk.remove(path + partial);
  const file = await disk.open(path + partial, { create: true });
  let size = 0;
  try {
    for await (const chunk of chunks) {
      await file.append([chunk]);
      size += chunk.length;
    }
    await file.sync();
  } catch (error) {
    await file.close();
    await disk.remove(path + partial);
    throw error;
  }
  await file.close();
  await disk.rename(path + partial, path);
  await disk.syncDir(target.dir);
  return size;
}

/** The snapshot files of a data directory. Only the newest counts. */
export class Snapshots {
  private readonly disk: Disk;
  private readonly dir: string;
  /** Size of the newest; 0 when there is none. */
  sizeBytes = 0;

  constructor(disk: Disk, dir: string) {
    this.disk = disk;
    this.dir = dir;
  }

  /** The newest snapshot, and removes what a crash left of others. */
  async load(): Promise<{ index: number; bytes: Uint8Array; path: string } | undefined> {
    const names = await this.disk.list(this.dir);
    for (const name of names) if (name.endsWith(partial)) await this.disk.remove(`${this.dir}/${name}`);
    const indexes = names.map(indexOf).filter((index) => index !== undefined);
    if (indexes.length === 0) return undefined;
    const index = Math.max(...indexes);
    const path = `${this.dir}/${snapshotName(index)}`;
    const bytes = await this.disk.read(path);
    this.sizeBytes = bytes.length;
    return { index, bytes, path };
  }

  /** Makes a snapshot the newest and removes the older ones. */
  async save(index: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.sizeBytes = await writeWhole(this.disk, { dir: this.dir, name: snapshotName(index) }, chunks);
    for (const name of await this.disk.list(this.dir)) {
      const other = indexOf(name);
      if (other !== undefined && other < index) await this.disk.remove(`${this.dir}/${name}`);
    }
  }
}
