/** The only source of chance in decisions and names. Secrets come from the platform's cryptographic source instead. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, bound). */
  int(bound: number): number;
  /** Lower-case string of `length` from the alphabet Kubernetes uses for generated names (no vowels, no 0, 1, 3). */
  name(length: number): string;
  /** A version 4 UUID. */
  uuid(): string;
}

const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789';
const hexAlphabet = '0123456789abcdef';
const uuidForm = 'xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx';
const [digit, variant] = ['x'.charCodeAt(0), 'y'.charCodeAt(0)];

/**
 * Builds the derived draws over one uniform source. Texts are put together at once: what is added up character by character stays
 * a tree of pieces, which ids that are kept would be for good.
 */
export function randomFrom(next: () => number): Random {
  const int = (bound: number): number => Math.floor(next() * bound);
  const draw = (alphabet: string): number => alphabet.charCodeAt(int(alphabet.length));
  return {
    next,
    int,
    name(length) {
      const codes = new Array<number>(length);
      for (let i = 0; i < length; i++) codes[i] = draw(nameAlphabet);
      return String.fromCharCode.apply(undefined, codes);
    },
    uuid() {
      const codes = new Array<number>(uuidForm.length);
      for (let i = 0; i < uuidForm.length; i++) {
        const place = uuidForm.charCodeAt(i);
        codes[i] = place === digit ? draw(hexAlphabet) : place === variant ? draw('89ab') : place;
      }
      return String.fromCharCode.apply(undefined, codes);
    },
  };
}

/** Deterministic source (xoshiro128**) for simulation and tests. */
export function seededRandom(seed: number): Random {
  let a = seed >>> 0;
  const splitmix = (): number => {
    a = (a + 0x9e3779b9) | 0;
    let t = a ^ (a >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (t ^ (t >>> 15)) >>> 0;
  };
  let [s0, s1, s2, s3] = [splitmix(), splitmix(), splitmix(), splitmix()];
  const rotate = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
  return randomFrom(() => {
    const result = Math.imul(rotate(Math.imul(s1, 5), 7), 9) >>> 0;
    const t = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= t;
    s3 = rotate(s3, 11);
    return result / 2 ** 32;
  });
}
