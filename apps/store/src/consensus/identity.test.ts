import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterIdOf, memberIdOf } from './identity.ts';
import { sha1 } from './sha1.ts';

describe('ids of members', () => {
  it('hash as the platform does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        expect(Buffer.from(sha1(bytes)).toString('hex')).toBe(Buffer.from(await crypto.subtle.digest('SHA-1', Uint8Array.from(bytes))).toString('hex'));
      }),
    );
  });

  it('depend on the addresses and the token, not on the order', () => {
    expect(memberIdOf(['http://a:1', 'http://b:2'], 't')).toBe(memberIdOf(['http://b:2', 'http://a:1'], 't'));
    expect(memberIdOf(['http://a:1'], 't')).not.toBe(memberIdOf(['http://a:1'], 'u'));
    expect(clusterIdOf(['3', '20'])).toBe(clusterIdOf(['20', '3']));
  });
});
