/** The Huffman code of HPACK (RFC 7541, appendix B). It is canonical, so the lengths of the codes say everything. */
const lengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const endOfString = 256;

/** Two numbers a node: what follows a 0 and what follows a 1. Positive is a node, negative the symbol `-1 - value`, 0 is nothing. */
const tree: number[] = [0, 0];

function insert(symbol: number, code: number, bits: number): void {
  let node = 0;
  for (let bit = bits - 1; bit > 0; bit--) {
    const at = 2 * node + ((code >>> bit) & 1);
    if (!tree[at]) {
      tree[at] = tree.length / 2;
      tree.push(0, 0);
    }
    node = tree[at] as number;
  }
  tree[2 * node + (code & 1)] = -1 - symbol;
}

const inOrder = lengths.map((bits, symbol) => ({ bits, symbol })).sort((a, b) => a.bits - b.bits || a.symbol - b.symbol);
let code = 0;
let before = 0;
for (const { bits, symbol } of inOrder) {
  code *= 2 ** (bits - before);
  insert(symbol, code, bits);
  code += 1;
  before = bits;
}

/** One character a byte. Undefined for what no encoder writes: the end-of-string symbol, or padding that is not up to seven ones. */
export function decodeHuffman(bytes: Uint8Array): string | undefined {
  const out: number[] = [];
  let node = 0;
  let pending = 0;
  let ones = true;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const value = (byte >>> bit) & 1;
      const next = tree[2 * node + value] as number;
      pending += 1;
      ones &&= value === 1;
      if (next >= 0) {
        node = next;
        continue;
      }
      const symbol = -1 - next;
      if (symbol === endOfString) return undefined;
      out.push(symbol);
      node = pending = 0;
      ones = true;
    }
  }
  return pending < 8 && ones ? Buffer.from(out).toString('latin1') : undefined;
}
