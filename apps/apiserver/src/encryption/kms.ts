import { randomBytes, sha256 } from '@orrery/node-io/symmetric-crypto';
import { EncryptedDEKSourceType, EncryptedObject, type EncryptResponse, KeyManagementServiceDefinition, type StatusResponse } from '@orrery/proto/kms';
import { type Channel, Code, RpcError, createClient } from '@orrery/rpc';
import { type Env, rfc3339 } from '@orrery/runtime';
import { aesGcm, aesGcmFromSeed, seedBytes } from './aes.ts';
import type { Opened, Transformer } from './transformer.ts';

/** Upstream's: how often a plugin is asked how it is, and how long writes go on when it does not answer. */
const healthyPeriodMs = 60_000;
const unhealthyPeriodMs = 10_000;
const writableMs = 3 * 60_000;
const maxKeyIdBytes = 1024;
const maxSourceBytes = 1024;
const maxAnnotationBytes = 32 * 1024;
/** Seeds known by what the plugin made of them; more are only seen after as many rotations. */
const maxKnownSeeds = 1000;

const seedType = EncryptedDEKSourceType.HKDF_SHA256_XNONCE_AES_GCM_SEED;

type Annotations = Readonly<Record<string, Buffer>>;

/** What writes are made with: a seed, and the same seed as the plugin encrypted it. */
interface WriteKey {
  readonly transformer: Transformer;
  readonly keyId: string;
  readonly source: Buffer;
  readonly annotations: Annotations;
}

export interface KmsProvider {
  readonly transformer: Transformer;
  /** What is wrong with the plugin; undefined: nothing. */
  failure(): string | undefined;
  /** Asks the plugin at once and then from time to time until `signal` aborts. Resolves after the first answer or failure. */
  start(signal: AbortSignal): Promise<void>;
  close(): void;
}

export interface KmsOptions {
  readonly name: string;
  readonly channel: Channel;
  readonly timeoutMs: number;
  readonly env: Env;
}

function keyIdProblem(keyId: string): string | undefined {
  if (keyId === '') return 'keyID is empty';
  const bytes = Buffer.byteLength(keyId);
  return bytes > maxKeyIdBytes ? `keyID is ${bytes} bytes, which exceeds the max size of ${maxKeyIdBytes}` : undefined;
}

function annotationsProblem(annotations: Annotations): string | undefined {
  let bytes = 0;
  for (const [name, value] of Object.entries(annotations)) {
    if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/.test(name)) return `annotations: Invalid value: ${JSON.stringify(name)}: should be a domain with at least two segments separated by dots`;
    bytes += Buffer.byteLength(name) + value.length;
  }
  return bytes > maxAnnotationBytes ? `total size of annotations is ${bytes}, which exceeds the max size of ${maxAnnotationBytes}` : undefined;
}

function sourceProblem(source: Buffer): string | undefined {
  if (source.length === 0) return 'encrypted DEK source is empty';
  return source.length > maxSourceBytes ? `encrypted DEK source is ${source.length} bytes, which exceeds the max size of ${maxSourceBytes}` : undefined;
}

interface Envelope {
  readonly data: Buffer;
  readonly keyId: string;
  readonly source: Buffer;
  readonly annotations: Annotations;
  readonly type: number;
}

/** Throws an Error in upstream's words for what is no envelope. */
function checkEnvelope({ data, keyId, source, annotations, type }: Envelope): void {
  if (type !== EncryptedDEKSourceType.AES_GCM_KEY && type !== seedType) throw new Error(`unknown encryptedDEKSourceType: ${type}`);
  if (data.length === 0) throw new Error('encrypted data is empty');
  const problems = [
    ['encrypted DEK source', sourceProblem(source)],
    ['key id', keyIdProblem(keyId)],
    ['annotations', annotationsProblem(annotations)],
  ] as const;
  for (const [what, problem] of problems) if (problem) throw new Error(`failed to validate ${what}: ${problem}`);
}

function decodeEnvelope(bytes: Buffer): Envelope {
  let decoded: EncryptedObject;
  try {
    decoded = EncryptedObject.decode(bytes);
  } catch {
    throw new Error('proto: cannot parse invalid wire-format data');
  }
  const { encryptedData, keyID = '', encryptedDEKSource, annotations = {}, encryptedDEKSourceType = 0 } = decoded;
  const empty = Buffer.alloc(0);
  const envelope = { data: encryptedData ?? empty, keyId: keyID, source: encryptedDEKSource ?? empty, annotations, type: encryptedDEKSourceType };
  checkEnvelope(envelope);
  return envelope;
}

function cacheKey(type: number, { source, keyId, annotations }: Pick<Envelope, 'source' | 'keyId' | 'annotations'>): string {
  const listed = Object.keys(annotations).sort().map((name) => [name, annotations[name]?.toString('base64')]);
  return JSON.stringify([type, source.toString('base64'), keyId, listed]);
}

function codeName(error: unknown): string {
  if (!(error instanceof RpcError)) return 'Unknown';
  const name = Object.entries(Code).find(([, code]) => code === error.code)?.[0] ?? 'UNKNOWN';
  return name.split('_').map((word) => word.charAt(0) + word.slice(1).toLowerCase()).join('');
}

const hashOf = (keyId: string): string => (keyId ? `sha256:${sha256(keyId)}` : '');

/** The plugin, as calls with a time limit and metrics. */
function callerOf({ channel, name, timeoutMs, env }: KmsOptions) {
  const client = createClient(KeyManagementServiceDefinition, channel);
  const latency = env.metrics.histogram('apiserver_envelope_encryption_kms_operations_latency_seconds', 'KMS operation duration with gRPC error code status total.', [0.0001, 0.001, 0.01, 0.1, 1, 10, 60]);
  const timed = async <T>(method: string, run: () => Promise<T>): Promise<T> => {
    const from = env.clock.monotonic();
    let code = 'OK';
    try {
      return await run();
    } catch (error) {
      code = codeName(error);
      throw error;
    } finally {
      latency.observe((env.clock.monotonic() - from) / 1000, { provider_name: name, method_name: `/v2.KeyManagementService/${method}`, grpc_status_code: code });
    }
  };
  const options = { timeoutMs };
  return {
    status: () => timed('Status', () => client.status({}, options)),
    encrypt: (plaintext: Buffer) => timed('Encrypt', () => client.encrypt({ plaintext, uid: env.random.uuid() }, options)),
    decrypt: (envelope: Envelope) =>
      timed('Decrypt', () => client.decrypt({ ciphertext: envelope.source, uid: env.random.uuid(), keyId: envelope.keyId, annotations: { ...envelope.annotations } }, options)),
  };
}

/**
 * KMS version 2: values are encrypted with keys of a seed that the plugin keeps safe. The plugin is asked once for each seed
 * that is met, never for a value; a new key id of the plugin means a new seed for all writes from then on.
 */
export function kmsProvider(options: KmsOptions): KmsProvider {
  const { name, env, channel } = options;
  const plugin = callerOf(options);
  const misses = env.metrics.counter('apiserver_storage_envelope_transformation_cache_misses_total', 'Total number of cache misses while accessing key decryption key(KEK).');
  const keyIds = env.metrics.counter('apiserver_envelope_encryption_key_id_hash_total', 'Number of times a keyID is used split by transformation type, provider, and apiserver identity.');
  const seeds = new Map<string, Transformer | Promise<Transformer>>();
  let current: WriteKey | undefined;
  let writableUntil = 0;
  let problem: string | undefined = 'the KMS plugin was not asked yet';

  const remember = (key: string, transformer: Transformer | Promise<Transformer>): void => {
    if (seeds.size >= maxKnownSeeds) seeds.delete(seeds.keys().next().value as string);
    seeds.set(key, transformer);
  };

  const renew = async (statusKeyId: string): Promise<void> => {
    const until = env.clock.now() + writableMs;
    if (current?.keyId === statusKeyId) {
      writableUntil = until;
      return;
    }
    const seed = randomBytes(seedBytes);
    let reply: EncryptResponse;
    try {
      reply = await plugin.encrypt(seed);
    } catch (error) {
      throw new Error(`failed to rotate DEK: failed to encrypt DEK, error: ${(error as Error).message}`);
    }
    const { ciphertext = Buffer.alloc(0), keyId = '', annotations = {} } = reply;
    checkEnvelope({ data: Buffer.of(0), keyId, source: ciphertext, annotations, type: seedType });
    const transformer = aesGcmFromSeed(seed);
    remember(cacheKey(seedType, { source: ciphertext, keyId, annotations }), transformer);
    current = { transformer, keyId, source: ciphertext, annotations };
    writableUntil = until;
    env.log.info('a new seed encrypts from now on', { provider: name, keyIdHash: hashOf(keyId) });
  };

  const judge = async ({ version = '', healthz = '', keyId = '' }: StatusResponse): Promise<void> => {
    const errors: string[] = [];
    if (healthz !== 'ok') errors.push(`got unexpected healthz status: ${healthz}`);
    if (version !== 'v2' && version !== 'v2beta1') errors.push(`expected KMSv2 API version v2, got ${version}`);
    const bad = keyIdProblem(keyId);
    if (bad) errors.push(`got invalid KMSv2 KeyID hash ${JSON.stringify(hashOf(keyId))}: ${bad}`);
    else await renew(keyId).catch((error: unknown) => errors.push((error as Error).message));
    if (errors.length) throw new Error(`kmsv2 Provider ${name} is not healthy, error: ${errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`}`);
  };

  const ask = async (): Promise<void> => {
    try {
      const status = await plugin.status().catch((error: unknown) => {
        throw new Error(`failed to perform status section of the healthz check for KMS Provider ${name}, error: ${(error as Error).message}`);
      });
      await judge(status);
      problem = undefined;
    } catch (error) {
      problem = (error as Error).message;
      env.log.warn('the KMS plugin is not well', { provider: name, error });
    }
  };

  const fetchSeed = (key: string, envelope: Envelope): Promise<Transformer> => {
    misses.inc();
    const fetched = plugin.decrypt(envelope).then(
      ({ plaintext = Buffer.alloc(0) }) => {
        const transformer = envelope.type === seedType ? aesGcmFromSeed(plaintext) : aesGcm(plaintext);
        seeds.set(key, transformer);
        return transformer;
      },
      (error: unknown) => {
        throw new Error(`failed to decrypt DEK, error: ${(error as Error).message}`);
      },
    );
    remember(key, fetched);
    fetched.catch(() => seeds.delete(key));
    return fetched;
  };

  const opened = (transformer: Transformer, envelope: Envelope, path: string): Opened => {
    keyIds.inc({ transformation_type: 'from_storage', provider_name: name, key_id_hash: hashOf(envelope.keyId) });
    const { data } = transformer.open(envelope.data, path) as Opened;
    return { data, stale: envelope.keyId !== current?.keyId || envelope.type !== seedType };
  };

  const transformer: Transformer = {
    seal(data, path) {
      if (!current) throw new Error(`got unexpected nil transformer: ${problem ?? ''}`);
      if (env.clock.now() > writableUntil) throw new Error(`encryptedDEKSource with keyID hash ${JSON.stringify(hashOf(current.keyId))} expired at ${rfc3339(writableUntil)} (current time is ${rfc3339(env.clock.now())})`);
      keyIds.inc({ transformation_type: 'to_storage', provider_name: name, key_id_hash: hashOf(current.keyId) });
      const { keyId, source, annotations } = current;
      const message = { encryptedData: current.transformer.seal(data, path), keyID: keyId, encryptedDEKSource: source, annotations: { ...annotations }, encryptedDEKSourceType: seedType };
      return Buffer.from(EncryptedObject.encode(message).finish());
    },
    open(data, path) {
      const envelope = decodeEnvelope(data);
      const key = cacheKey(envelope.type, envelope);
      const known = seeds.get(key) ?? fetchSeed(key, envelope);
      return known instanceof Promise ? known.then((seed) => opened(seed, envelope, path)) : opened(known, envelope, path);
    },
  };

  return {
    transformer,
    failure: () => problem,
    async start(signal) {
      await ask();
      const follow = async (): Promise<void> => {
        while (!signal.aborted) {
          await env.clock.sleep(problem === undefined ? healthyPeriodMs : unhealthyPeriodMs, signal);
          await ask();
        }
      };
      // The sleep rejects when the server stops, which is the only way out.
      follow().catch(() => undefined);
    },
    close: () => channel.close(),
  };
}
