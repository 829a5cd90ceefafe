import type { Endpoint } from '@orrery/vnet';
import type { StickySettings } from '../annotations/settings.ts';
import { byHash, byTurn, endpointKey, hash } from './balance.ts';

export interface StickyChoice {
  readonly endpoints: readonly Endpoint[];
  /** Set-Cookie; undefined: the client has a good one. */
  readonly cookie: string | undefined;
}

export interface StickyInput {
  readonly endpoints: readonly Endpoint[];
  readonly settings: StickySettings;
  /** Which backend the cookie is for: a canary's is another. */
  readonly backend: string;
  readonly value: string | undefined;
  readonly path: string;
  readonly secure: boolean;
  readonly turn: number;
  /** A new key for `balanced`. */
  readonly newKey: () => string;
  readonly nowMs: number;
  readonly isFailing: (endpoint: Endpoint) => boolean;
}

const backendMark = (backend: string): string => hash(backend).toString(16).padStart(8, '0');
const endpointMark = (endpoint: Endpoint): string => hash(endpointKey(endpoint)).toString(16).padStart(8, '0');

function cookieText({ settings, path, secure, nowMs }: StickyInput, value: string): string {
  const { name, domain, maxAge, expires, sameSite } = settings;
  return [
    `${name}=${value}`,
    ...(expires === undefined ? [] : [`Expires=${new Date(nowMs + expires * 1000).toUTCString()}`]),
    ...(maxAge === undefined ? [] : [`Max-Age=${maxAge}`]),
    ...(domain ? [`Domain=${domain}`] : []),
    `Path=${path}`,
    ...(secure || settings.secure ? ['Secure'] : []),
    'HttpOnly',
    ...(sameSite ? [`SameSite=${sameSite}`] : []),
  ].join('; ');
}

/** Endpoints with the client's own first. The cookie is `KEY|BACKEND`, as ingress-nginx's: the key of a hash, or of an endpoint. */
export function stick(input: StickyInput): StickyChoice {
  const { endpoints, settings, backend, value, turn, isFailing } = input;
  const [key = '', mark = ''] = value?.split('|') ?? [];
  const known = mark === backendMark(backend) && key !== '';
  const choose = (from: string): Endpoint[] => {
    if (settings.mode === 'balanced') return byHash(endpoints, from);
    const own = endpoints.findIndex((endpoint) => endpointMark(endpoint) === from);
    return own < 0 ? [] : byTurn(endpoints, own);
  };
  if (known) {
    const ordered = choose(key);
    const [first] = ordered;
    if (first && !(settings.changeOnFailure && isFailing(first))) return { endpoints: ordered, cookie: undefined };
  }
  const good = endpoints.filter((endpoint) => !isFailing(endpoint));
  const fresh = byTurn(good.length ? good : endpoints, turn);
  const [first] = fresh;
  if (settings.mode === 'persistent' || !first) return { endpoints: fresh, cookie: first && cookieText(input, `${endpointMark(first)}|${backendMark(backend)}`) };
  const own = input.newKey();
  return { endpoints: byHash(endpoints, own), cookie: cookieText(input, `${own}|${backendMark(backend)}`) };
}
