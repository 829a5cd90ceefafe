import { DecodeError, type KindDescriptor, allKinds, decodeProtobuf, isProtobuf, parseBody } from '@orrery/api';
import { type KubeObject, formatApiVersion } from '@orrery/apimachinery';
import { encodeForStorage } from '../cache/encoding.ts';
import { type Transformer, isEncrypted } from '../encryption/transformer.ts';
import type { Unreadable } from './errors.ts';
import { type StoredResource, resourceLocator } from './keys.ts';

/** A value that was not stored as plain JSON. */
export interface DecodedValue {
  /** The object as JSON; empty when it is unreadable. */
  readonly value: Buffer;
  /** Written with a key that writes no more: the next write should store it again even if it changes nothing. */
  readonly stale: boolean;
  readonly unreadable?: Unreadable;
}

/** Between objects as JSON and the bytes of the store. */
export interface ValueCodec {
  /** Throws an Error where the object cannot be encrypted. */
  encode(key: string, value: Buffer): Buffer;
  /** What is plain JSON comes back as the same buffer. A promise where a key must be fetched first. Never throws. */
  decode(key: string, raw: Buffer): Buffer | DecodedValue | Promise<DecodedValue>;
}

/** How the values of a resource are kept; undefined: as they are. */
export type TransformerOf = (resource: StoredResource) => Transformer | undefined;

const openBrace = 0x7b;
const nothing = Buffer.alloc(0);

const unreadable = (key: string, why: string, isSealed: boolean): DecodedValue => ({ value: nothing, stale: false, unreadable: { key, why, isSealed } });

let byType: Map<string, KindDescriptor> | undefined;

/** As this server stores the kind: upstream may have stored it at another version. */
function toStorageKind(object: KubeObject): KubeObject {
  byType ??= new Map(allKinds.map((kind) => [`${formatApiVersion(kind.group, kind.version)} ${kind.kind}`, kind]));
  const kind = byType.get(`${object.apiVersion} ${object.kind}`);
  return kind?.storedAs ? (kind.storedAs.toStorage(object) as KubeObject) : object;
}

/** What kube-apiserver stores built-in kinds as, and what somebody else may have put there. */
function decodeForeign(key: string, data: Buffer): Buffer | DecodedValue {
  if (isEncrypted(data)) return unreadable(key, 'identity transformer tried to read encrypted data', true);
  try {
    if (isProtobuf(data)) return encodeForStorage(toStorageKind(decodeProtobuf(data).object as KubeObject));
    parseBody(data);
    return data;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return unreadable(key, error.message, false);
  }
}

/** True for what looks like an object as this server writes it: not to be looked at further. */
function isOwnForm(data: Buffer): boolean {
  return data[0] === openBrace && data[1] === 0x22 && data.at(-1) === 0x7d;
}

function decodePlain(key: string, data: Buffer): Buffer | DecodedValue {
  return isOwnForm(data) ? data : decodeForeign(key, data);
}

/** Keys that hold no objects (allocations, leases of servers) pass as they are. */
export function valueCodec(root: string, transformerOf: TransformerOf | undefined): ValueCodec {
  const locate = resourceLocator(root);
  const transformerFor = (key: string): Transformer | undefined => {
    const resource = transformerOf && locate(key);
    return resource && transformerOf(resource);
  };
  const finish = (key: string, stale: boolean, data: Buffer): DecodedValue => {
    const plain = decodePlain(key, data);
    return Buffer.isBuffer(plain) ? { value: plain, stale } : plain;
  };
  return {
    encode: (key, value) => transformerFor(key)?.seal(value, key) ?? value,
    decode(key, raw) {
      const transformer = transformerFor(key);
      if (!transformer) return isOwnForm(raw) || !locate(key) ? raw : decodeForeign(key, raw);
      const failed = (error: unknown): DecodedValue => unreadable(key, (error as Error).message, true);
      try {
        const opened = transformer.open(raw, key);
        if (opened instanceof Promise) return opened.then(({ data, stale }) => finish(key, stale, data), failed);
        // What identity left as it is keeps being the same buffer.
        return opened.data === raw && !opened.stale && isOwnForm(raw) ? raw : finish(key, opened.stale, opened.data);
      } catch (error) {
        return failed(error);
      }
    },
  };
}
