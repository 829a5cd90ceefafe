/** A value as it was before it went to the store. */
export interface Opened {
  readonly data: Buffer;
  /** Written with another key or provider than the one that writes now. */
  readonly stale: boolean;
}

/**
 * One way to keep values. `path` is the key in the store: it is authenticated where the cipher can, so values cannot change
 * places. Both throw an Error in upstream's words.
 */
export interface Transformer {
  seal(data: Buffer, path: string): Buffer;
  /** A promise where a key must be fetched first. */
  open(data: Buffer, path: string): Opened | Promise<Opened>;
}

/** A transformer whose values begin with `prefix`; an empty one takes every value. */
export interface Prefixed {
  readonly prefix: string;
  readonly transformer: Transformer;
}

const encrypted = Buffer.from('k8s:enc:');

export function isEncrypted(data: Buffer): boolean {
  return data.length >= encrypted.length && data.compare(encrypted, 0, encrypted.length, 0, encrypted.length) === 0;
}

/** Values as they are; refuses to hand out what is encrypted. */
export const identity: Transformer = {
  seal: (data) => data,
  open(data) {
    if (isEncrypted(data)) throw new Error('identity transformer tried to read encrypted data');
    return { data, stale: false };
  },
};

/** Hears how each value was read or written. */
export type Observe = (about: { readonly type: 'from_storage' | 'to_storage'; readonly prefix: string; readonly error: unknown; readonly seconds: number }) => void;

interface Candidate {
  readonly prefix: Buffer;
  readonly label: string;
  readonly transformer: Transformer;
}

function startsWith(data: Buffer, prefix: Buffer): boolean {
  return data.length >= prefix.length && (prefix.length === 0 || data.compare(prefix, 0, prefix.length, 0, prefix.length) === 0);
}

function aggregate(errors: readonly unknown[]): Error {
  const texts = [...new Set(errors.map((error) => (error as Error).message))];
  return new Error(texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`);
}

/**
 * The first writes, all read: a value goes to those whose prefix it begins with, in order, until one can read it. What
 * another than the first has read is stale.
 */
export function firstWrites(all: readonly Prefixed[], options: { readonly noneFits: string; readonly observe?: Observe; readonly now?: () => number }): Transformer {
  const candidates: readonly Candidate[] = all.map(({ prefix, transformer }) => ({ prefix: Buffer.from(prefix), label: prefix || 'identity', transformer }));
  const now = options.now ?? (() => 0);
  const observe: Observe = options.observe ?? (() => undefined);

  const openFrom = (data: Buffer, path: string, state: { from: number; errors: unknown[]; startedMs: number }): Opened | Promise<Opened> => {
    const seen = (label: string, error: unknown): void => observe({ type: 'from_storage', prefix: label, error, seconds: (now() - state.startedMs) / 1000 });
    for (let i = state.from; i < candidates.length; i++) {
      const { prefix, label, transformer } = candidates[i] as Candidate;
      if (!startsWith(data, prefix)) continue;
      const done = (opened: Opened): Opened => {
        seen(label, undefined);
        return i > 0 && !opened.stale ? { data: opened.data, stale: true } : opened;
      };
      const failed = (error: unknown): void => {
        // Identity refusing an encrypted value is no failure: a provider further down may have written it.
        if (prefix.length === 0) return;
        seen(label, error);
        state.errors.push(error);
      };
      try {
        const opened = transformer.open(data.subarray(prefix.length), path);
        if (!(opened instanceof Promise)) return done(opened);
        return opened.then(done, (error: unknown) => {
          failed(error);
          return openFrom(data, path, { ...state, from: i + 1 });
        });
      } catch (error) {
        failed(error);
      }
    }
    if (state.errors.length) throw aggregate(state.errors);
    seen('unknown', new Error(options.noneFits));
    throw new Error(options.noneFits);
  };

  return {
    seal(data, path) {
      const { prefix, label, transformer } = candidates[0] as Candidate;
      const startedMs = now();
      const seen = (error: unknown): void => observe({ type: 'to_storage', prefix: label, error, seconds: (now() - startedMs) / 1000 });
      try {
        const sealed = transformer.seal(data, path);
        seen(undefined);
        return prefix.length ? Buffer.concat([prefix, sealed]) : sealed;
      } catch (error) {
        seen(error);
        throw error;
      }
    },
    open: (data, path) => openFrom(data, path, { from: 0, errors: [], startedMs: now() }),
  };
}
