import { timingSafeEqual } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';

// bcrypt as Provos and Mazières describe it (USENIX 1999): Blowfish with a key schedule that is made expensive.

const words = 18 + 4 * 256;
const guardBits = 64n;
/** Rounds between two looks at other work. */
const slice = 32;
const alphabet = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** atan(1/x) as a fixed-point number. */
function arctanInverse(x: bigint, one: bigint): bigint {
  const square = x * x;
  let term = one / x;
  let sum = term;
  for (let n = 3n, sign = -1n; term > 0n; n += 2n, sign = -sign) {
    term /= square;
    sum += (sign * term) / n;
  }
  return sum;
}

/** Blowfish begins as the fraction of pi: 18 words, then four tables of 256. */
function fractionOfPi(): Int32Array {
  const bits = BigInt(words * 32) + guardBits;
  const one = 1n << bits;
  const fraction = ((16n * arctanInverse(5n, one) - 4n * arctanInverse(239n, one)) & (one - 1n)) >> guardBits;
  const hex = fraction.toString(16).padStart(words * 8, '0');
  return Int32Array.from({ length: words }, (_, i) => Number.parseInt(hex.slice(i * 8, i * 8 + 8), 16) | 0);
}

let initial: Int32Array | undefined;

/** The state of the cipher: 18 keys, then the tables. */
class Blowfish {
  private readonly state: Int32Array;

  constructor() {
    this.state = Int32Array.from((initial ??= fractionOfPi()));
  }

  /** Encrypts the two words at `at` in place. */
  encrypt(block: Int32Array, at: number): void {
    const s = this.state;
    let left = block[at] as number;
    let right = block[at + 1] as number;
    for (let i = 0; i < 16; i++) {
      left ^= s[i] as number;
      const sum = ((s[18 + (left >>> 24)] as number) + (s[274 + ((left >>> 16) & 255)] as number)) | 0;
      right ^= ((sum ^ (s[530 + ((left >>> 8) & 255)] as number)) + (s[786 + (left & 255)] as number)) | 0;
      [left, right] = [right, left];
    }
    block[at] = right ^ (s[17] as number);
    block[at + 1] = left ^ (s[16] as number);
  }

  /** Mixes a key into the state; `salt` (four words) or nothing into what it becomes. */
  expand(key: Int32Array, salt: Int32Array | undefined): void {
    const s = this.state;
    for (let i = 0; i < 18; i++) s[i] = (s[i] as number) ^ (key[i] as number);
    const block = new Int32Array(2);
    for (let i = 0; i < words; i += 2) {
      if (salt) {
        block[0] = (block[0] as number) ^ (salt[i & 2] as number);
        block[1] = (block[1] as number) ^ (salt[(i & 2) + 1] as number);
      }
      this.encrypt(block, 0);
      s[i] = block[0] as number;
      s[i + 1] = block[1] as number;
    }
  }
}

/** Bytes again and again as 18 words, most significant byte first. */
function cycled(bytes: Uint8Array, count: number): Int32Array {
  let at = 0;
  const next = (): number => bytes[at++ % bytes.length] as number;
  return Int32Array.from({ length: count }, () => (next() << 24) | (next() << 16) | (next() << 8) | next());
}

function decoded(text: string): Uint8Array {
  let bits = 0;
  let value = 0;
  const out: number[] = [];
  for (const char of text) {
    value = ((value << 6) | alphabet.indexOf(char)) & 0xffff;
    bits += 6;
    if (bits >= 8) out.push((value >> (bits -= 8)) & 255);
  }
  return Uint8Array.from(out);
}

async function digest(password: Uint8Array, salt: Uint8Array, cost: number): Promise<Buffer> {
  const key = cycled(Buffer.concat([password.subarray(0, 72), Buffer.from([0])]).subarray(0, 72), 18);
  const [saltWords, saltKey] = [cycled(salt, 4), cycled(salt, 18)];
  const cipher = new Blowfish();
  cipher.expand(key, saltWords);
  for (let round = 0; round < 2 ** cost; round++) {
    cipher.expand(key, undefined);
    cipher.expand(saltKey, undefined);
    if (round % slice === slice - 1) await setImmediate();
  }
  const text = cycled(Buffer.from('OrpheanBeholderScryDoubt'), 6);
  for (let at = 0; at < 6; at += 2) for (let i = 0; i < 64; i++) cipher.encrypt(text, at);
  const out = Buffer.alloc(24);
  text.forEach((word, i) => out.writeInt32BE(word, i * 4));
  return out.subarray(0, 23);
}

/** Whether a password is that of a bcrypt hash (`$2a$`, `$2b$`, `$2y$`); anything else never matches. Other work goes on meanwhile. */
export async function verifyBcrypt(password: string, hash: string): Promise<boolean> {
  const [, cost = '', salt = '', told = ''] = /^\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/.exec(hash) ?? [];
  if (!told || Number(cost) < 4 || Number(cost) > 31) return false;
  return timingSafeEqual(await digest(Buffer.from(password), decoded(salt).subarray(0, 16), Number(cost)), decoded(told).subarray(0, 23));
}
