import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aesCbc, aesGcm, aesGcmFromSeed } from './aes.ts';
import { openSecretbox, sealSecretbox, secretbox } from './secretbox.ts';
import { type Transformer, firstWrites, identity } from './transformer.ts';

const key = (fill: number, length = 32): Buffer => Buffer.alloc(length, fill);
const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');

describe('ciphers', () => {
  const all: Record<string, (k: Buffer) => Transformer> = { aesGcm, aesCbc, aesGcmFromSeed, secretbox };

  it.each(Object.entries(all))('%s gives back what it took, hides it, and never says the same twice', (_, make) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const data = Buffer.from(bytes);
        const transformer = make(key(7));
        const sealed = transformer.seal(data, '/registry/secrets/a');
        expect(transformer.open(sealed, '/registry/secrets/a')).toEqual({ data, stale: false });
        expect(transformer.seal(data, '/registry/secrets/a').equals(sealed)).toBe(false);
        if (data.length > 8) expect(sealed.includes(data)).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ['aesGcm', 'cipher: message authentication failed', 28],
    ['aesCbc', 'invalid padding on input', 16],
    ['aesGcmFromSeed', 'cipher: message authentication failed', 32],
    ['secretbox', 'output array was not large enough for encryption', 40],
  ])('%s tells of a wrong key and of data cut short', (name, message, least) => {
    const make = all[name] as (k: Buffer) => Transformer;
    const sealed = make(key(1)).seal(Buffer.from('secret'), '/p');
    expect(() => make(key(2)).open(sealed, '/p')).toThrow(message);
    expect(() => make(key(1)).open(sealed.subarray(0, least - 1), '/p')).toThrow('the stored data was shorter than the required size');
  });

  it('a value cannot be moved to another key of the store where the cipher authenticates it', () => {
    for (const make of [aesGcm, aesGcmFromSeed]) {
      const sealed = make(key(1)).seal(Buffer.from('x'), '/registry/secrets/a/b');
      expect(() => make(key(1)).open(sealed, '/registry/secrets/a/c')).toThrow('message authentication failed');
    }
  });

  it('takes AES keys of all lengths', () => {
    for (const length of [16, 24, 32]) {
      const sealed = aesGcm(key(3, length)).seal(Buffer.from('x'), '/p');
      expect(aesGcm(key(3, length)).open(sealed, '/p')).toEqual({ data: Buffer.from('x'), stale: false });
    }
  });

  it('seals as NaCl does', () => {
    // The test vector of NaCl's own secretbox program.
    const k = hex('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389');
    const nonce = hex('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37');
    const message = hex(`be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffc
      e5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb31
      0e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde
      048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705`);
    const box = hex(`f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce
      48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c972
      71d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae
      90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5`);
    expect(sealSecretbox(k, nonce, message).equals(box)).toBe(true);
    expect(openSecretbox(k, nonce, box)?.equals(message)).toBe(true);
  });
});

describe('firstWrites', () => {
  const two = (first: number, second: number): Transformer =>
    firstWrites(
      [
        { prefix: 'k8s:enc:one:', transformer: aesGcm(key(first)) },
        { prefix: 'k8s:enc:two:', transformer: aesGcm(key(second)) },
        { prefix: '', transformer: identity },
      ],
      { noneFits: 'no matching prefix found' },
    );

  it('writes with the first, reads with all, and calls stale what the first did not write', async () => {
    const sealed = two(1, 2).seal(Buffer.from('v'), '/p');
    expect(sealed.subarray(0, 12).toString()).toBe('k8s:enc:one:');
    expect(await two(1, 2).open(sealed, '/p')).toEqual({ data: Buffer.from('v'), stale: false });
    expect(await two(1, 2).open(Buffer.from('{}'), '/p')).toEqual({ data: Buffer.from('{}'), stale: true });
    const fromSecond = Buffer.concat([Buffer.from('k8s:enc:two:'), aesGcm(key(2)).seal(Buffer.from('w'), '/p')]);
    expect(await two(1, 2).open(fromSecond, '/p')).toEqual({ data: Buffer.from('w'), stale: true });
    expect(() => two(9, 2).open(sealed, '/p')).toThrow('cipher: message authentication failed');
  });

  it('goes on after identity, and says so when nothing fits', async () => {
    const migratingAway = firstWrites([{ prefix: '', transformer: identity }, { prefix: 'k8s:enc:x:', transformer: aesGcm(key(1)) }], { noneFits: 'no matching prefix found' });
    const sealed = Buffer.concat([Buffer.from('k8s:enc:x:'), aesGcm(key(1)).seal(Buffer.from('v'), '/p')]);
    expect(await migratingAway.open(sealed, '/p')).toEqual({ data: Buffer.from('v'), stale: true });
    expect(migratingAway.seal(Buffer.from('v'), '/p').toString()).toBe('v');
    expect(() => migratingAway.open(Buffer.from('k8s:enc:other:'), '/p')).toThrow('no matching prefix found');
  });
});
