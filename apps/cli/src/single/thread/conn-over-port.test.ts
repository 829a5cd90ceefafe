import { type Conn, type NetError, connPair } from '@orrery/vnet';
import { describe, expect, it } from 'vitest';
import { handOver, takeOver } from './conn-over-port.ts';

/** The far end of a connection, and its near end after it went to another thread. */
function pair(): { near: Conn; far: Conn } {
  const { client, server } = connPair({ client: { ip: '10.0.0.1', port: 1000 }, clientRemote: { ip: '10.96.0.1', port: 443 }, server: { ip: '10.0.0.2', port: 8443 } });
  return { near: takeOver(handOver(client)), far: server };
}

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString();
const bytes = (words: string): Uint8Array => Buffer.from(words);

describe('a connection that went to another thread', () => {
  it('keeps its addresses, and carries bytes and ends both ways', async () => {
    const { near, far } = pair();
    expect([near.local, near.remote]).toEqual([{ ip: '10.0.0.1', port: 1000 }, { ip: '10.96.0.1', port: 443 }]);
    await near.write(bytes('ask'));
    expect(text(await far.read())).toBe('ask');
    await near.closeWrite();
    expect(await far.read()).toBeUndefined();
    await far.write(bytes('answer'));
    await far.write(bytes(' and more'));
    await far.closeWrite();
    expect(text(await near.read())).toBe('answer');
    expect(text(await near.read())).toBe(' and more');
    expect(await near.read()).toBeUndefined();
    expect(await near.read()).toBeUndefined();
  });

  it('holds a writer back while nobody reads', async () => {
    const { near, far } = pair();
    const chunk = new Uint8Array(300_000);
    let written = false;
    const writing = near.write(chunk).then(() => (written = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(written).toBe(false);
    expect((await far.read())?.length).toBe(chunk.length);
    await writing;
  });

  it.each(['near', 'far'] as const)('tells one end that the other (%s) has closed', async (which) => {
    const { near, far } = pair();
    const [closing, other] = which === 'near' ? [near, far] : [far, near];
    const reading = other.read();
    await new Promise((resolve) => setTimeout(resolve, 5));
    closing.close();
    expect(await reading).toBeUndefined();
    await expect(closing.read()).rejects.toMatchObject({ code: 'EPIPE' } satisfies Partial<NetError>);
    await expect(closing.write(bytes('x'))).rejects.toMatchObject({ code: 'EPIPE' });
    await expect(other.write(bytes('x'))).rejects.toMatchObject({ code: 'EPIPE' });
  });

  it('tells of a reset', async () => {
    const { near, far } = pair();
    far.close(new Error('killed'));
    await expect(near.read()).rejects.toMatchObject({ code: 'ECONNRESET', message: expect.stringContaining('reset by peer') as string });
    const second = pair();
    second.near.close(new Error('killed'));
    await expect(second.far.read()).rejects.toMatchObject({ code: 'ECONNRESET' });
  });
});
