import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { blobFolder } from './blob-folder.ts';

async function* pieces(...texts: string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

it('keeps content by its digest, and nothing that has another', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'orrery-blobs-'));
  try {
    const blobs = blobFolder(dir);
    const digest = `sha256:${createHash('sha256').update('abcdef').digest('hex')}`;
    expect([await blobs.size(digest), await blobs.uploaded('u')]).toEqual([undefined, undefined]);
    expect([await blobs.append('u', pieces('ab', 'c')), await blobs.append('u', pieces('def')), await blobs.uploaded('u')]).toEqual([3, 6, 6]);
    expect([await blobs.commit('u', digest), await blobs.size(digest), await blobs.uploaded('u')]).toEqual([true, 6, undefined]);
    let read = '';
    for await (const piece of blobs.read(digest, 2)) read += Buffer.from(piece).toString();
    expect(read).toBe('cdef');
    await blobs.append('v', pieces('other'));
    expect([await blobs.commit('v', digest), await blobs.uploaded('v')]).toEqual([false, undefined]);
    await blobs.append('w', pieces('half'));
    await blobs.discardAll();
    expect(await blobs.uploaded('w')).toBeUndefined();
    await blobs.remove(digest);
    expect(await blobs.size(digest)).toBeUndefined();
  } finally {
    rmSync(dir, { recursive: true });
  }
});
