import { notAcceptable } from '@orrery/errors';

/** How a client wants an answer. */
export interface Format {
  readonly encoding: 'json' | 'yaml';
  /** Table, PartialObjectMetadata or PartialObjectMetadataList of meta.k8s.io; undefined: the object itself. */
  readonly as: 'Table' | 'PartialObjectMetadata' | undefined;
  readonly pretty: boolean;
}

interface MediaRange {
  readonly type: string;
  readonly params: Readonly<Record<string, string>>;
}

const plainJson: Format = { encoding: 'json', as: undefined, pretty: false };

/** The parts of an Accept header, best first. Quality values order them; equals stay in order. */
export function parseAccept(header: string): MediaRange[] {
  const ranges = header.split(',').map((part) => {
    const [type = '', ...rest] = part.trim().split(';');
    const params: Record<string, string> = {};
    for (const param of rest) {
      const [name = '', value = ''] = param.split('=');
      params[name.trim().toLowerCase()] = value.trim();
    }
    return { type: type.trim().toLowerCase(), params, q: params['q'] === undefined ? 1 : Number(params['q']) };
  });
  return ranges.filter((range) => range.q > 0).sort((a, b) => b.q - a.q);
}

function transformOf(params: MediaRange['params']): Format['as'] | 'unknown' {
  const { as, g, v } = params;
  if (!as) return undefined;
  if (g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1')) return 'unknown';
  if (as === 'Table') return 'Table';
  return as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList' ? 'PartialObjectMetadata' : 'unknown';
}

function encodingOf(type: string): Format['encoding'] | undefined {
  if (type === 'application/json' || type === '*/*' || type === 'application/*' || type === '') return 'json';
  if (type === 'application/yaml') return 'yaml';
  return undefined;
}

/**
 * Picks the answer's form. Protobuf is never produced: every known client that asks for it takes JSON too, and who names
 * nothing else gets 406. `pretty` comes from the query or from browsers and curl.
 */
export function negotiate(accept: string | undefined, options: { pretty: boolean; transforms: boolean }): Format {
  if (!accept) return options.pretty ? { ...plainJson, pretty: true } : plainJson;
  for (const { type, params } of parseAccept(accept)) {
    const encoding = encodingOf(type);
    if (!encoding) continue;
    const as = transformOf(params);
    if (as === 'unknown' || (as && !options.transforms)) continue;
    return { encoding, as, pretty: options.pretty || params['pretty'] === '1' };
  }
  throw notAcceptable('only the following media types are accepted: application/json, application/yaml');
}
