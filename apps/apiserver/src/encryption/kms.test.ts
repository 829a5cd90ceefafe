import { EncryptedObject, KeyManagementServiceDefinition } from '@orrery/proto/kms';
import { inMemoryChannel, service } from '@orrery/rpc';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { afterAll, describe, expect, it } from 'vitest';
import { aesGcm } from './aes.ts';
import { kmsProvider } from './kms.ts';
import { socketTarget } from './providers.ts';

const path = '/registry/secrets/a/b';

describe('kmsProvider', () => {
  const over = new AbortController();
  afterAll(() => over.abort());

  function setup() {
    const plugin = { version: 'v2', healthz: 'ok', keyId: 'k1', annotations: {} as Record<string, Buffer>, encrypts: 0, decrypts: 0, fails: false };
    const answer = <T>(value: T): Promise<T> => (plugin.fails ? Promise.reject(new Error('plugin is gone')) : Promise.resolve(value));
    const channel = inMemoryChannel([
      service(KeyManagementServiceDefinition, {
        status: () => answer({ version: plugin.version, healthz: plugin.healthz, keyId: plugin.keyId }),
        encrypt: ({ plaintext = Buffer.alloc(0) }) => {
          plugin.encrypts += 1;
          return answer({ ciphertext: Buffer.from(plaintext).reverse(), keyId: plugin.keyId, annotations: plugin.annotations });
        },
        decrypt: ({ ciphertext = Buffer.alloc(0) }) => {
          plugin.decrypts += 1;
          return answer({ plaintext: Buffer.from(ciphertext).reverse() });
        },
      }),
    ]);
    const clock = new VirtualClock();
    const env = { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
    const make = () => kmsProvider({ name: 'p', channel, timeoutMs: 1000, env });
    return { plugin, clock, env, make, signal: over.signal };
  }

  it('goes on writing for three minutes without the plugin, and reads what it knows for ever', async () => {
    const { plugin, clock, make, signal } = setup();
    const provider = make();
    expect(() => provider.transformer.seal(Buffer.from('x'), path)).toThrow('got unexpected nil transformer');
    await provider.start(signal);
    expect(provider.failure()).toBeUndefined();
    const sealed = provider.transformer.seal(Buffer.from('x'), path);
    plugin.fails = true;
    await clock.advance(2 * 60_000);
    expect(provider.failure()).toBe('failed to perform status section of the healthz check for KMS Provider p, error: plugin is gone');
    expect(() => provider.transformer.seal(Buffer.from('x'), path)).not.toThrow();
    await clock.advance(90_000);
    expect(() => provider.transformer.seal(Buffer.from('x'), path)).toThrow(/^encryptedDEKSource with keyID hash "sha256:[0-9a-f]{64}" expired at 2026-01-01T00:0\d:\d\dZ \(current time is 2026-01-01T00:03:30Z\)$/);
    expect(await provider.transformer.open(sealed, path)).toEqual({ data: Buffer.from('x'), stale: false });
    plugin.fails = false;
    await clock.advance(10_000);
    expect(provider.failure()).toBeUndefined();
    expect(plugin.encrypts).toBe(1);
  });

  it('takes a new seed when the key id changes; what the old one wrote is stale', async () => {
    const { plugin, clock, make, signal } = setup();
    const provider = make();
    await provider.start(signal);
    const old = provider.transformer.seal(Buffer.from('x'), path);
    plugin.keyId = 'k2';
    await clock.advance(60_000);
    expect(EncryptedObject.decode(provider.transformer.seal(Buffer.from('x'), path)).keyID).toBe('k2');
    expect(await provider.transformer.open(old, path)).toEqual({ data: Buffer.from('x'), stale: true });
    expect(plugin.decrypts).toBe(0);
    const other = make();
    await other.start(signal);
    const [one, two] = await Promise.all([other.transformer.open(old, path), other.transformer.open(old, path)]);
    expect([one, two]).toEqual([{ data: Buffer.from('x'), stale: true }, { data: Buffer.from('x'), stale: true }]);
    expect(plugin.decrypts).toBe(1);
  });

  it.each([
    [{ healthz: 'sealed' }, 'got unexpected healthz status: sealed'],
    [{ version: 'v1' }, 'expected KMSv2 API version v2, got v1'],
    [{ keyId: '' }, 'got invalid KMSv2 KeyID hash "": keyID is empty'],
    [{ keyId: 'x'.repeat(1025) }, 'keyID is 1025 bytes, which exceeds the max size of 1024'],
    [{ annotations: { 'no-dots': Buffer.from('x') } }, 'failed to validate annotations: annotations: Invalid value: "no-dots": should be a domain with at least two segments separated by dots'],
    [{ annotations: { 'a.b': Buffer.alloc(40_000) } }, 'failed to validate annotations: total size of annotations is 40003, which exceeds the max size of 32768'],
  ])('is not well with %o', async (state, why) => {
    const { plugin, make, signal } = setup();
    Object.assign(plugin, state);
    const provider = make();
    await provider.start(signal);
    expect(provider.failure()).toContain('kmsv2 Provider p is not healthy, error: ');
    expect(provider.failure()).toContain(why);
  });

  it('reads values whose key the plugin encrypted itself, and nothing that is no envelope', async () => {
    const { make, signal } = setup();
    const provider = make();
    await provider.start(signal);
    const key = Buffer.alloc(32, 9);
    const envelope = { encryptedData: aesGcm(key).seal(Buffer.from('x'), path), keyID: 'k1', encryptedDEKSource: Buffer.from(key).reverse(), annotations: {}, encryptedDEKSourceType: 0 };
    const bytes = (more: object = {}): Buffer => Buffer.from(EncryptedObject.encode({ ...envelope, ...more } as EncryptedObject).finish());
    expect(await provider.transformer.open(bytes(), path)).toEqual({ data: Buffer.from('x'), stale: true });
    const refused: [Buffer, string][] = [
      [bytes({ encryptedDEKSourceType: 7 }), 'unknown encryptedDEKSourceType: 7'],
      [bytes({ encryptedData: Buffer.alloc(0) }), 'encrypted data is empty'],
      [bytes({ encryptedDEKSource: Buffer.alloc(0) }), 'failed to validate encrypted DEK source: encrypted DEK source is empty'],
      [bytes({ keyID: '' }), 'failed to validate key id: keyID is empty'],
      [Buffer.from([0xff, 0xff]), 'proto: cannot parse invalid wire-format data'],
    ];
    for (const [data, why] of refused) expect(() => provider.transformer.open(data, path)).toThrow(why);
  });

  it('dials sockets as upstream names them', () => {
    expect(socketTarget('unix:///var/run/kms.sock')).toBe('unix:/var/run/kms.sock');
    expect(socketTarget('unix:///@kms')).toBe('unix-abstract:kms');
  });
});
