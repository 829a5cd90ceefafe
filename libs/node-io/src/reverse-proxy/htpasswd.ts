import { createHash, timingSafeEqual } from 'node:crypto';
import { verifyBcrypt } from './bcrypt.ts';

const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const md5 = (...parts: readonly (string | Buffer)[]): Buffer => {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

function base64Crypt(value: number, digits: number): string {
  let out = '';
  let rest = value;
  for (let i = 0; i < digits; i++, rest >>>= 6) out += alphabet[rest & 0x3f] ?? '';
  return out;
}

/** Apache's MD5 crypt (`$apr1$`), which `htpasswd` writes; with `$1$` that of Unix. */
function md5Crypt(password: string, salt: string, magic: string): string {
  const inner = md5(password, salt, password);
  const start: (string | Buffer)[] = [password, magic, salt];
  for (let left = password.length; left > 0; left -= 16) start.push(inner.subarray(0, Math.min(16, left)));
  for (let bits = password.length; bits > 0; bits >>= 1) start.push(bits & 1 ? Buffer.from([0]) : password.slice(0, 1));
  let final = md5(...start);
  for (let i = 0; i < 1000; i++) {
    const parts: (string | Buffer)[] = [i & 1 ? password : final];
    if (i % 3) parts.push(salt);
    if (i % 7) parts.push(password);
    parts.push(i & 1 ? final : password);
    final = md5(...parts);
  }
  const at = (i: number): number => final[i] ?? 0;
  const groups = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]].map(([a = 0, b = 0, c = 0]) => base64Crypt((at(a) << 16) | (at(b) << 8) | at(c), 4));
  return `${magic}${salt}$${groups.join('')}${base64Crypt(at(11), 2)}`;
}

const same = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
};

/** Passwords that were right before, so that not every request costs what bcrypt costs; by a digest of password and hash. */
const known = new Set<string>();
const mostKnown = 1_000;

async function rememberedBcrypt(password: string, hash: string): Promise<boolean> {
  const name = createHash('sha256').update(`${hash}\n${password}`).digest('base64');
  if (known.has(name)) return true;
  if (!(await verifyBcrypt(password, hash))) return false;
  if (known.size >= mostKnown) known.clear();
  known.add(name);
  return true;
}

/** Whether a password is that of a line of a htpasswd file: bcrypt (`$2y$`), `$apr1$`, `$1$`, `{SHA}`, `{SSHA}`, `{PLAIN}`. Other hashes never match. */
export async function verifyHtpasswd(password: string, hash: string): Promise<boolean> {
  const [, magic, salt = ''] = /^(\$apr1\$|\$1\$)([^$]*)\$/.exec(hash) ?? [];
  if (magic) return same(md5Crypt(password, salt.slice(0, 8), magic), hash);
  if (hash.startsWith('$2')) return rememberedBcrypt(password, hash);
  if (hash.startsWith('{SHA}')) return same(createHash('sha1').update(password).digest('base64'), hash.slice(5));
  if (hash.startsWith('{PLAIN}')) return same(password, hash.slice(7));
  if (!hash.startsWith('{SSHA}')) return false;
  const stored = Buffer.from(hash.slice(6), 'base64');
  const digest = createHash('sha1').update(password).update(stored.subarray(20)).digest();
  return timingSafeEqual(digest, Buffer.concat([stored.subarray(0, 20)], 20));
}
