/** A directive of an nginx configuration: `name args;` or `name args { … }`. */
export interface Directive {
  readonly name: string;
  readonly args: readonly string[];
  readonly block?: readonly Directive[];
  readonly file: string;
  readonly line: number;
}

/** A malformed configuration; the message is nginx's. */
export class NginxConfigError extends Error {}

const token = /\s+|#[^\n]*|"((?:[^"\\]|\\[^])*)"|'((?:[^'\\]|\\[^])*)'|[{};]|(?:[^\s{};"'\\]|\\.|\$\{[^}]*\})+/y;

function unquote(text: string | undefined): string | undefined {
  return text?.replace(/\\([ntr"'\\])/g, (_, c: string) => ({ n: '\n', t: '\t', r: '\r' }[c] ?? c));
}

/** Parses the text of one file. `include` resolves include directives to further directives. */
export function parseNginx(text: string, file: string, include: (pattern: string) => readonly Directive[]): Directive[] {
  const tokens: { text: string; quoted: boolean; line: number }[] = [];
  let line = 1;
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const found = token.exec(text);
    if (!found) throw new NginxConfigError(`unexpected end of file, expecting ";" or "}" in ${file}:${line}`);
    const [whole, double, single] = found;
    if (/[^\s]/.test(whole) && !whole.startsWith('#')) tokens.push({ text: unquote(double ?? single) ?? whole, quoted: (double ?? single) !== undefined, line });
    line += whole.split('\n').length - 1;
  }
  let at = 0;
  const block = (nested: boolean): Directive[] => {
    const out: Directive[] = [];
    for (;;) {
      const first = tokens[at++];
      if (!first) {
        if (nested) throw new NginxConfigError(`unexpected end of file, expecting "}" in ${file}:${line}`);
        return out;
      }
      if (!first.quoted && first.text === '}') {
        if (!nested) throw new NginxConfigError(`unexpected "}" in ${file}:${first.line}`);
        return out;
      }
      const words: string[] = [first.text];
      let end = tokens[at++];
      for (; end && (end.quoted || !/^[{};]$/.test(end.text)); end = tokens[at++]) words.push(end.text);
      if (!end) throw new NginxConfigError(`unexpected end of file, expecting ";" or "}" in ${file}:${line}`);
      if (end.text === '}') throw new NginxConfigError(`unexpected "}" in ${file}:${end.line}`);
      const [name = '', ...args] = words;
      if (name === 'include' && end.text === ';') out.push(...include(args[0] ?? ''));
      else out.push({ name, args, file, line: first.line, ...(end.text === '{' ? { block: block(true) } : {}) });
    }
  };
  return block(false);
}

export interface Location {
  readonly modifier: '' | '=' | '^~' | '~' | '~*';
  readonly path: string;
  readonly directives: readonly Directive[];
}

export interface Server {
  readonly listens: readonly { readonly ip: string; readonly port: number; readonly default: boolean }[];
  readonly names: readonly string[];
  readonly directives: readonly Directive[];
  readonly locations: readonly Location[];
}

export interface NginxConfig {
  readonly http: readonly Directive[];
  readonly servers: readonly Server[];
  readonly upstreams: ReadonlyMap<string, readonly string[]>;
}

function listenOf({ args, file, line }: Directive): Server['listens'][number] {
  const [address = '', ...flags] = args;
  const [, ip = '', port] = /^(?:(\[[^\]]*\]|[^:]*):)?(\d+)$/.exec(address) ?? [];
  if (port === undefined && !/^[\d.]+$|^\[/.test(address)) throw new NginxConfigError(`host not found in "${address}" of the "listen" directive in ${file}:${line}`);
  const clean = ip.replace(/^\[|\]$/g, '');
  return { ip: clean === '*' || clean === '::' || clean === '0.0.0.0' ? '' : clean, port: Number(port ?? 80), default: flags.includes('default_server') };
}

function locationsOf(directives: readonly Directive[]): Location[] {
  return directives.flatMap((d) => {
    if (d.name !== 'location') return [];
    const [first = '', second] = d.args;
    const location: Location = { modifier: (second === undefined ? '' : first) as Location['modifier'], path: second ?? first, directives: d.block ?? [] };
    return [location, ...locationsOf(d.block ?? [])];
  });
}

const known = new Set(['server', 'upstream', 'map', 'types', 'default_type', 'log_format', 'access_log', 'error_log', 'sendfile', 'tcp_nopush', 'tcp_nodelay', 'keepalive_timeout', 'gzip', 'root', 'index', 'listen', 'server_name', 'location', 'return', 'proxy_pass', 'try_files', 'add_header', 'error_page', 'alias', 'autoindex', 'rewrite', 'client_max_body_size', 'resolver', 'expires', 'charset', 'allow', 'deny', 'internal', 'set', 'if', 'server_tokens', 'stub_status', 'limit_req', 'limit_req_zone', 'etag', 'auth_basic', 'auth_basic_user_file', 'types_hash_max_size', 'client_body_buffer_size', 'large_client_header_buffers', 'keepalive_requests', 'variables_hash_max_size', 'server_names_hash_bucket_size', 'port_in_redirect', 'absolute_redirect', 'merge_slashes', 'ssl_certificate', 'ssl_certificate_key', 'ssl_protocols', 'ssl_ciphers', 'log_not_found', 'real_ip_header', 'set_real_ip_from', 'sub_filter', 'sub_filter_once', 'http2', 'client_body_timeout', 'client_header_timeout', 'send_timeout', 'reset_timedout_connection', 'open_file_cache', 'resolver_timeout', 'limit_conn', 'limit_conn_zone', 'underscores_in_headers', 'chunked_transfer_encoding']);

function check(directives: readonly Directive[]): void {
  for (const d of directives) {
    if (!known.has(d.name) && !/^(?:proxy_|gzip_|fastcgi_|uwsgi_|ssl_|client_|open_file_)/.test(d.name)) throw new NginxConfigError(`unknown directive "${d.name}" in ${d.file}:${d.line}`);
    if (d.block && d.name !== 'types' && d.name !== 'map' && d.name !== 'upstream') check(d.block);
  }
}

/** Servers, locations and upstreams of a parsed configuration. Throws NginxConfigError for unknown directives. */
export function interpret(directives: readonly Directive[]): NginxConfig {
  const http = directives.find((d) => d.name === 'http')?.block ?? [];
  check(http);
  const servers = http.flatMap((d): Server[] => {
    if (d.name !== 'server') return [];
    const block = d.block ?? [];
    const listens = block.filter((inner) => inner.name === 'listen').map(listenOf);
    return [{
      listens: listens.length ? listens : [{ ip: '', port: 80, default: false }],
      names: block.filter((inner) => inner.name === 'server_name').flatMap((inner) => inner.args),
      directives: block,
      locations: locationsOf(block),
    }];
  });
  const upstreams = new Map(http.filter((d) => d.name === 'upstream').map((d) => [d.args[0] ?? '', (d.block ?? []).filter((inner) => inner.name === 'server').map((inner) => inner.args[0] ?? '')]));
  return { http, servers, upstreams };
}

/** The innermost value of a directive: location, then server, then http. */
export function setting(scopes: readonly (readonly Directive[])[], name: string): readonly string[] | undefined {
  for (const scope of scopes) {
    const found = scope.findLast((d) => d.name === name);
    if (found) return found.args;
  }
  return undefined;
}

/** The server for a connection: by listener and Host. */
export function selectServer(config: NginxConfig, port: number, host: string): Server | undefined {
  const candidates = config.servers.filter((server) => server.listens.some((listen) => listen.port === port));
  const name = host.replace(/:\d+$/, '').toLowerCase();
  const matches = (pattern: string): boolean => {
    if (pattern.startsWith('~')) return new RegExp(pattern.replace(/^~\*?/, '')).test(name);
    if (pattern.startsWith('*.')) return name.endsWith(pattern.slice(1));
    if (pattern.endsWith('.*')) return name.startsWith(pattern.slice(0, -1));
    return pattern.startsWith('.') ? name === pattern.slice(1) || name.endsWith(pattern) : pattern === name;
  };
  return candidates.find((server) => server.names.some(matches)) ?? candidates.find((server) => server.listens.some((l) => l.port === port && l.default)) ?? candidates[0];
}

/** The location for a path, by nginx's rules: exact, longest prefix with ^~, first regular expression, longest prefix. */
export function selectLocation(server: Server, path: string): Location | undefined {
  const exact = server.locations.find((location) => location.modifier === '=' && location.path === path);
  if (exact) return exact;
  const prefixes = server.locations.filter((location) => (location.modifier === '' || location.modifier === '^~') && path.startsWith(location.path));
  const longest = prefixes.sort((a, b) => b.path.length - a.path.length)[0];
  if (longest?.modifier === '^~') return longest;
  return server.locations.find((location) => location.modifier.startsWith('~') && new RegExp(location.path, location.modifier === '~*' ? 'i' : '').test(path)) ?? longest;
}
