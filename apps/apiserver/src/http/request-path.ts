import type { RequestInfo } from '../pipeline/request-info.ts';
import { selectedName } from '../pipeline/resource-info.ts';
import { queryFlag } from './query-flag.ts';

/** A request line taken apart. `tail` is what follows the subresource (of a proxy). */
export interface ParsedRequest {
  readonly info: RequestInfo;
  readonly query: URLSearchParams;
  readonly tail: string;
}

const verbs: Readonly<Record<string, string>> = { GET: 'get', HEAD: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };
const namespaceSubresources = new Set(['status', 'finalize']);
const noQuery = new URLSearchParams();

function nonResource(method: string, path: string): RequestInfo {
  return { isResource: false, path, verb: method.toLowerCase(), group: '', version: '', resource: '', subresource: '', namespace: '', name: '' };
}

/** Refines get and delete to list, watch and deletecollection. */
function verbOf(method: string, name: string, query: URLSearchParams, watchPath: boolean): string {
  const verb = verbs[method] ?? method.toLowerCase();
  if (watchPath && verb === 'get') return 'watch';
  if (name) return verb;
  if (verb === 'get') return queryFlag(query, 'watch') ? 'watch' : 'list';
  return verb === 'delete' ? 'deletecollection' : verb;
}

function decoded(part: string): string {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Resolves method and URL into what is asked, by upstream's rules. */
export function parseRequest(method: string, url: string): ParsedRequest {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? noQuery : new URLSearchParams(url.slice(mark + 1));
  const parts = path.split('/').slice(1);
  if (parts.at(-1) === '' && parts.length > 1) parts.pop();
  const root = parts[0];
  const skip = root === 'api' ? 2 : root === 'apis' ? 3 : 0;
  if (skip === 0 || parts.length <= skip || parts.includes('')) return { info: nonResource(method, path), query, tail: '' };
  const group = root === 'apis' ? (parts[1] ?? '') : '';
  const version = parts[skip - 1] ?? '';
  let rest = parts.slice(skip).map(decoded);
  const watchPath = rest[0] === 'watch' && rest.length > 1;
  if (watchPath) rest = rest.slice(1);
  let namespace = '';
  if (rest[0] === 'namespaces' && rest.length > 1) {
    namespace = rest[1] ?? '';
    if (rest.length > 2 && !namespaceSubresources.has(rest[2] ?? '')) rest = rest.slice(2);
  }
  const [resource = '', name = '', subresource = ''] = rest;
  const verb = verbOf(method, name, query, watchPath);
  const info: RequestInfo = {
    isResource: true,
    path,
    verb,
    group,
    version,
    resource,
    subresource,
    // Namespaces themselves are cluster-scoped; upstream still reports their own name as the namespace.
    namespace: resource === 'namespaces' ? name || namespace : namespace,
    name: name || selectedName(verb, query.get('fieldSelector') ?? ''),
  };
  return { info, query, tail: rest.slice(3).join('/') };
}
