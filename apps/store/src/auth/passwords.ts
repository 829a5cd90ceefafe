const scheme = 'pbkdf2-sha256';
/** About the work of bcrypt at its usual cost. Each hash names its own count, so this may change. */
const iterations = 120_000;
const saltBytes = 16;
const hashBits = 256;

async function derive(password: string, salt: Uint8Array<ArrayBuffer>, rounds: number): Promise<Buffer> {
  const key = await crypto.subtle.importKey('raw', new TextEncoder().encode(password), 'PBKDF2', false, ['deriveBits']);
  return Buffer.from(await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations: rounds }, key, hashBits));
}

/** `pbkdf2-sha256$ITERATIONS$SALT$HASH`. etcd uses bcrypt; no client ever sees either. */
export async function hashPassword(password: string): Promise<string> {
  const salt = crypto.getRandomValues(new Uint8Array(saltBytes));
  const hash = await derive(password, salt, iterations);
  return [scheme, iterations, Buffer.from(salt).toString('base64'), hash.toString('base64')].join('$');
}

/** Takes as long however much of the hash agrees. False for what is no hash of this scheme. */
export async function passwordMatches(password: string, hashed: string): Promise<boolean> {
  const [name, rounds, salt, hash] = hashed.split('$');
  if (name !== scheme || !rounds || !salt || !hash) return false;
  const wanted = Buffer.from(hash, 'base64');
  const found = await derive(password, Uint8Array.from(Buffer.from(salt, 'base64')), Number(rounds));
  let difference = wanted.length ^ found.length;
  for (let i = 0; i < found.length; i++) difference |= (found[i] as number) ^ (wanted[i] ?? 0);
  return difference === 0;
}
