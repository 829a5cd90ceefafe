/** A parsed image reference with containerd's defaults filled in. */
export interface ImageReference {
  /** `docker.io/library/nginx`. */
  readonly repository: string;
  readonly domain: string;
  /** Without the domain: `library/nginx`. */
  readonly path: string;
  readonly tag: string;
  readonly digest?: string;
  /** Canonical text: `docker.io/library/nginx:1.27`. */
  readonly canonical: string;
}

const domainLike = /^(?:localhost|[^/]*[.:][^/]*)$/;
const pathPart = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;

/** Undefined when the text is not a valid reference. */
export function parseReference(text: string): ImageReference | undefined {
  const [named = '', digest] = text.split('@');
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest)) return undefined;
  const slash = named.indexOf('/');
  const first = slash < 0 ? '' : named.slice(0, slash);
  const hasDomain = slash >= 0 && domainLike.test(first);
  const domain = hasDomain ? (first === 'index.docker.io' ? 'docker.io' : first) : 'docker.io';
  const rest = hasDomain ? named.slice(slash + 1) : named;
  const colon = rest.lastIndexOf(':');
  const tag = colon > rest.lastIndexOf('/') ? rest.slice(colon + 1) : undefined;
  let path = tag === undefined ? rest : rest.slice(0, colon);
  if (!path.split('/').every((part) => pathPart.test(part))) return undefined;
  if (tag !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(tag)) return undefined;
  if (domain === 'docker.io' && !path.includes('/')) path = `library/${path}`;
  const repository = `${domain}/${path}`;
  const shownTag = tag ?? (digest ? '' : 'latest');
  const canonical = `${repository}${shownTag ? `:${shownTag}` : ''}${digest ? `@${digest}` : ''}`;
  return { repository, domain, path, tag: shownTag || 'latest', canonical, ...(digest ? { digest } : {}) };
}
