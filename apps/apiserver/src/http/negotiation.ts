import { notAcceptable } from '@orrery/errors';

export type Encoding = 'json' | 'yaml' | 'protobuf';
export type Transform = 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';

/** How a client wants an answer. */
export interface Format {
  readonly encoding: Encoding;
  /** A kind of meta.k8s.io that the answer is turned into; undefined: the object itself. */
  readonly as: Transform | undefined;
  /** The version of that kind. */
  readonly metaVersion: 'v1' | 'v1beta1';
  readonly pretty: boolean;
}

interface MediaRange {
  readonly type: string;
  readonly params: Readonly<Record<string, string>>;
}

/** What an endpoint can give. */
export interface Offer {
  readonly pretty: boolean;
  /** Tables and metadata alone. */
  readonly transforms: boolean;
  /** False where nothing tells the columns: reviews and other actions, and lists that are streamed. */
  readonly tables?: boolean;
  /** False for custom resources: they have no protobuf, but their metadata has. */
  readonly protobuf: boolean;
  /** A watch: what has no framing is refused. */
  readonly stream?: boolean;
}

const mediaTypes: readonly (readonly [Encoding, string])[] = [
  ['json', 'application/json'],
  ['yaml', 'application/yaml'],
  ['protobuf', 'application/vnd.kubernetes.protobuf'],
];
const listed = mediaTypes.map(([, type]) => type).join(', ');
const listedStreams = 'application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch';

export function mediaTypeOf(encoding: Encoding): string {
  return mediaTypes.find(([name]) => name === encoding)?.[1] ?? 'application/json';
}

/** How wide a range is: wildcards come after what is named. */
function width(type: string): number {
  return type === '*/*' ? 2 : type.endsWith('/*') ? 1 : 0;
}

/** Clients send few different headers, and long ones. */
const parsed = new Map<string, readonly MediaRange[]>();
const maxParsed = 256;

/** The parts of an Accept header, best first: by quality, then the named before the wild, then as they came. */
export function parseAccept(header: string): readonly MediaRange[] {
  let ranges = parsed.get(header);
  if (!ranges) {
    if (parsed.size >= maxParsed) parsed.clear();
    parsed.set(header, (ranges = parseRanges(header)));
  }
  return ranges;
}

function parseRanges(header: string): MediaRange[] {
  const ranges = header.split(',').map((part) => {
    const [type = '', ...rest] = part.trim().split(';');
    const params: Record<string, string> = {};
    for (const param of rest) {
      const [name = '', value = ''] = param.split('=');
      params[name.trim().toLowerCase()] = value.trim();
    }
    return { type: type.trim().toLowerCase(), params, q: params['q'] === undefined ? 1 : Number(params['q']) };
  });
  return ranges.filter((range) => range.q > 0).sort((a, b) => b.q - a.q || width(a.type) - width(b.type));
}

function transformOf(params: MediaRange['params']): Transform | 'unknown' | undefined {
  const { as = '', g = '', v = '' } = params;
  if (!as && !g && !v) return undefined;
  if (g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1')) return 'unknown';
  return as === 'Table' || as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList' ? as : 'unknown';
}

function isAllowed(encoding: Encoding, as: Transform | 'unknown' | undefined, offer: Offer): boolean {
  if (as === 'unknown' || (as && !offer.transforms)) return false;
  if (as === 'Table' && offer.tables === false) return false;
  if (encoding !== 'protobuf') return true;
  return as === undefined ? offer.protobuf : as !== 'Table';
}

function candidate(range: MediaRange, offer: Offer): Format | undefined {
  const { type, params } = range;
  const as = transformOf(params);
  for (const [encoding, name] of mediaTypes) {
    if (type !== name && type !== '*/*' && type !== 'application/*') continue;
    if (params['stream'] && (params['stream'] !== 'watch' || encoding === 'yaml')) continue;
    if (!isAllowed(encoding, as, offer)) continue;
    const metaVersion = params['v'] === 'v1beta1' ? 'v1beta1' : 'v1';
    return { encoding, as: as as Transform | undefined, metaVersion, pretty: offer.pretty || params['pretty'] === '1' };
  }
  return undefined;
}

/** Picks the answer's form. Throws 406 when the client takes nothing that the endpoint has. */
export function negotiate(accept: string | undefined, offer: Offer): Format {
  if (!accept) return { encoding: 'json', as: undefined, metaVersion: 'v1', pretty: offer.pretty };
  for (const range of parseAccept(accept)) {
    const format = candidate(range, offer);
    if (!format) continue;
    if (offer.stream && format.encoding === 'yaml') break;
    return format;
  }
  throw notAcceptable(`only the following media types are accepted: ${offer.stream ? listedStreams : listed}`);
}

/** The form of a failure: as asked for where that can carry a Status, else JSON. */
export function negotiateFailure(accept: string | undefined, pretty: boolean): Format {
  try {
    return negotiate(accept, { pretty, transforms: false, protobuf: true });
  } catch {
    return { encoding: 'json', as: undefined, metaVersion: 'v1', pretty };
  }
}
