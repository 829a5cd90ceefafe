/** One block of a PEM text. */
export interface PemBlock {
  readonly type: string;
  readonly hasHeaders: boolean;
  readonly der: Buffer;
}

const begin = '-----BEGIN ';
const end = '-----END ';
const dashes = '-----';

/** What stands between the lines of a block; undefined when it is not base64. */
function decodeBody(type: string, body: string): PemBlock | undefined {
  const lines = body.split('\n').map((line) => line.trim());
  const base64 = lines.filter((line) => !line.includes(':')).join('');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64) || base64.length % 4 !== 0) return undefined;
  return { type, hasHeaders: lines.some((line) => line.includes(':')), der: Buffer.from(base64, 'base64') };
}

/** The well-formed blocks of a text, in order; what lies between them and blocks that cannot be read count for nothing, as in Go. Linear in the text. */
export function pemBlocks(text: string): PemBlock[] {
  const out: PemBlock[] = [];
  let ending = 0;
  for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at)) {
    const typeEnd = text.indexOf(dashes, at + begin.length);
    if (ending < typeEnd) ending = text.indexOf(`\n${end}`, at);
    if (typeEnd < 0 || ending < 0) return out;
    const type = text.slice(at + begin.length, typeEnd);
    const trailer = `\n${end}${type}${dashes}`;
    const isBlock = typeEnd < ending && !type.includes('\n') && text.startsWith(trailer, ending);
    const block = isBlock ? decodeBody(type, text.slice(typeEnd + dashes.length, ending)) : undefined;
    if (block) out.push(block);
    at = block ? ending + trailer.length : at + begin.length;
  }
  return out;
}
