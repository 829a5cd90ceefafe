/** Bits of hash that a deal may use; more combinations of queues and hand are refused by validation. */
export const maxHashBits = 60;

/** Bits that a deal of `handSize` out of `deckSize` needs; the product of the choices, as upstream counts it. */
export function requiredEntropyBits(deckSize: number, handSize: number): number {
  let product = 1;
  for (let i = 0; i < handSize; i++) product *= deckSize - i;
  return Math.ceil(Math.log2(product));
}

function mix(text: string, seed: number): number {
  let hash = seed >>> 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** 64 bits that depend on all of `text`. */
export function flowHash(text: string): bigint {
  return (BigInt(mix(text, 0x811c9dc5)) << 32n) | BigInt(mix(text, 0x9747b28c));
}

/** `handSize` different numbers below `deckSize`, each hand as likely as any other over all hashes. */
export function deal(hash: bigint, deckSize: number, handSize: number): number[] {
  const hand: number[] = [];
  let rest = hash;
  for (let i = 0; i < handSize; i++) {
    const choices = BigInt(deckSize - i);
    let card = Number(rest % choices);
    rest /= choices;
    // The card-th of those not dealt yet.
    for (const dealt of [...hand].sort((a, b) => a - b)) if (card >= dealt) card++;
    hand.push(card);
  }
  return hand;
}
