import type { Vfs } from '../../fs/vfs.ts';
import { ConfigError, type Directive, parseConfig } from './config-parser.ts';
import { type Scope, buildScope, readConfigFile, settingValue, sizeOf, timeOf } from './scope.ts';
import { checkVariables } from './variables.ts';

export interface Listen {
  /** As `0.0.0.0:80`, for messages and to tell addresses apart. */
  readonly address: string;
  /** '' is every address. */
  readonly ip: string;
  readonly port: number;
  readonly isDefault: boolean;
  readonly ssl: boolean;
}

export interface Location {
  readonly kind: '=' | '^~' | '~' | '~*' | '@' | '';
  readonly pattern: string;
  readonly regex?: RegExp;
  readonly scope: Scope;
  readonly locations: readonly Location[];
  readonly directive: Directive;
}

export interface VirtualServer {
  readonly scope: Scope;
  readonly listens: readonly Listen[];
  readonly names: readonly string[];
  readonly locations: readonly Location[];
}

export interface UpstreamServer {
  readonly host: string;
  readonly port: number;
  readonly weight: number;
  readonly backup: boolean;
  readonly down: boolean;
  readonly at: Directive;
}

export interface Upstream {
  readonly name: string;
  readonly servers: readonly UpstreamServer[];
  readonly hashKey?: string;
  readonly directive: Directive;
}

export interface VariableMap {
  readonly source: string;
  readonly name: string;
  readonly fallback: string;
  readonly cases: readonly { readonly text: string; readonly regex?: RegExp; readonly value: string }[];
}

export interface NginxConfig {
  readonly main: Scope;
  readonly servers: readonly VirtualServer[];
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly maps: ReadonlyMap<string, VariableMap>;
  readonly warnings: readonly string[];
  readonly pidFile: string;
}

/** A PCRE pattern as a JavaScript one. Throws ConfigError. */
export function compileRegex(pattern: string, options: { caseless: boolean; at: Directive }): RegExp {
  const inline = /^\(\?i\)/.test(pattern);
  const source = pattern.replace(/^\(\?i\)/, '').replaceAll('(?P<', '(?<').replaceAll('\\A', '^').replaceAll('\\z', '$');
  try {
    return new RegExp(source, options.caseless || inline ? 'i' : '');
  } catch (error) {
    throw new ConfigError(`pcre2_compile() failed: ${(error as Error).message.replace(/^.*: /, '').toLowerCase()} in "${pattern}"`, options.at);
  }
}

const listenOptions = /^(?:default_server|default|ssl|http2|quic|reuseport|proxy_protocol|deferred|bind|(?:ipv6only|backlog|rcvbuf|sndbuf|setfib|fastopen|accept_filter|so_keepalive)=.+)$/;

function parseListen(directive: Directive): Listen {
  const [text = '', ...options] = directive.args;
  const bad = options.find((option) => !listenOptions.test(option));
  if (bad !== undefined) throw new ConfigError(`invalid parameter "${bad}"`, directive);
  const match = /^(?:(\[[0-9a-f:.]+\]|[^:[\]]+):)?(\d+)$/i.exec(text) ?? (/^(?:\d+\.\d+\.\d+\.\d+|localhost|\[[0-9a-f:.]+\]|\*)$/i.test(text) ? [text, text, '80'] : undefined);
  if (!match) throw new ConfigError(`${/:\w*$/.test(text) ? 'invalid port' : 'host not found'} in "${text}" of the "listen" directive`, directive);
  const port = Number(match[2]);
  if (port < 1 || port > 65535) throw new ConfigError(`invalid port in "${text}" of the "listen" directive`, directive);
  const host = match[1] ?? '*';
  const v6 = host.startsWith('[');
  const bare = v6 ? host.slice(1, -1) : host;
  const any = bare === '*' || bare === '0.0.0.0' || bare === '::';
  const shown = bare === '*' ? '0.0.0.0' : bare === 'localhost' ? '127.0.0.1' : bare;
  return { address: `${v6 ? `[${shown}]` : shown}:${port}`, ip: any ? '' : shown, port, isDefault: options.includes('default_server') || options.includes('default'), ssl: options.includes('ssl') };
}

function locationHead(directive: Directive): { kind: Location['kind']; pattern: string } {
  const [one = '', two] = directive.args;
  if (two !== undefined) {
    if (!['=', '^~', '~', '~*'].includes(one)) throw new ConfigError(`invalid location modifier "${one}"`, directive);
    return { kind: one as Location['kind'], pattern: two };
  }
  const joined = /^(=|\^~|~\*|~|@)(.+)$/s.exec(one);
  return joined ? { kind: joined[1] as Location['kind'], pattern: joined[2] ?? '' } : { kind: '', pattern: one };
}

function buildLocations(fs: Vfs, outer: Scope, warn: (message: string) => void): Location[] {
  const seen = new Set<string>();
  return (outer.byName.get('location') ?? []).map((directive) => {
    const { kind, pattern } = locationHead(directive);
    const key = `${kind === '^~' ? '' : kind} ${pattern}`;
    if (seen.has(key) && !kind.startsWith('~')) throw new ConfigError(`duplicate location "${kind === '@' ? '@' : ''}${pattern}"`, directive);
    seen.add(key);
    const scope = buildScope(fs, { kind: 'l', directives: directive.block ?? [], parent: outer, warn });
    const regex = kind === '~' || kind === '~*' ? { regex: compileRegex(pattern, { caseless: kind === '~*', at: directive }) } : {};
    const alias = scope.byName.get('alias')?.[0];
    if (alias && scope.byName.has('root')) throw new ConfigError('"root" directive is duplicate, "alias" directive was specified earlier', scope.byName.get('root')?.[0]);
    return { kind, pattern, ...regex, scope, locations: buildLocations(fs, scope, warn), directive };
  });
}

function buildServer(fs: Vfs, directive: Directive, context: { http: Scope; warn: (message: string) => void; uid: number }): VirtualServer {
  const { http, warn, uid } = context;
  const scope = buildScope(fs, { kind: 's', directives: directive.block ?? [], parent: http, warn });
  const given = (scope.byName.get('listen') ?? []).filter(({ args }) => !args[0]?.startsWith('unix:')).map(parseListen);
  const port = uid === 0 ? 80 : 8000;
  const listens = given.length ? given : [{ address: `0.0.0.0:${port}`, ip: '', port, isDefault: false, ssl: false }];
  if (listens.some(({ ssl }) => ssl)) {
    if (settingValue(scope, 'ssl_certificate') === undefined) throw new ConfigError(`no "ssl_certificate" is defined for the "listen ... ssl" directive`, directive);
    warn(`listeners with "ssl" are not served by this emulation in ${directive.file}:${directive.line}`);
  }
  const names = (scope.byName.get('server_name') ?? []).flatMap(({ args }) => args.map((name) => (name.startsWith('~') ? name : name.toLowerCase())));
  return { scope, listens, names: names.length ? names : [''], locations: buildLocations(fs, scope, warn) };
}

function buildUpstream(fs: Vfs, directive: Directive, context: { http: Scope; warn: (message: string) => void }): Upstream {
  const name = directive.args[0] ?? '';
  const scope = buildScope(fs, { kind: 'u', directives: directive.block ?? [], parent: context.http, warn: context.warn });
  const servers = (scope.byName.get('server') ?? []).map((server): UpstreamServer => {
    const [address = '', ...options] = server.args;
    const bad = options.find((option) => !/^(?:backup|down|resolve|(?:weight|max_fails|max_conns)=\d+|(?:fail_timeout|slow_start)=\w+)$/.test(option));
    if (bad !== undefined) throw new ConfigError(`invalid parameter "${bad}"`, server);
    const [, host = '', port = '80'] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(address) ?? [];
    if (!host) throw new ConfigError(`invalid host in upstream "${address}"`, server);
    const weight = Number(options.find((option) => option.startsWith('weight='))?.slice(7) ?? 1);
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port), weight, backup: options.includes('backup'), down: options.includes('down'), at: server };
  });
  if (!servers.length) throw new ConfigError('no servers are inside upstream', directive);
  const hash = scope.byName.get('hash')?.[0]?.args[0] ?? (scope.byName.has('ip_hash') ? '$remote_addr' : undefined);
  return { name, servers, ...(hash === undefined ? {} : { hashKey: hash }), directive };
}

function buildMap(directive: Directive): VariableMap {
  const [source = '', target = ''] = directive.args;
  if (!target.startsWith('$')) throw new ConfigError(`invalid variable name "${target}"`, directive);
  let fallback = '';
  const cases: VariableMap['cases'][number][] = [];
  for (const { name, args, ...at } of directive.block ?? []) {
    if (['hostnames', 'volatile'].includes(name) && !args.length) continue;
    if (args.length !== 1) throw new ConfigError('invalid number of the map parameters', at);
    const value = args[0] ?? '';
    if (name === 'default') fallback = value;
    else if (name.startsWith('~')) cases.push({ text: name, regex: compileRegex(name.replace(/^~\*?/, ''), { caseless: name.startsWith('~*'), at: directive }), value });
    else cases.push({ text: name.replace(/^\\/, '').toLowerCase(), value });
  }
  return { source, name: target.slice(1), fallback, cases: [...cases.filter(({ regex }) => !regex), ...cases.filter(({ regex }) => regex)] };
}

function checkListens(servers: readonly VirtualServer[], warn: (message: string) => void): void {
  const defaults = new Map<string, Directive>();
  const names = new Set<string>();
  for (const { listens, names: own, scope } of servers) {
    const seen = new Set<string>();
    for (const { address, isDefault } of listens) {
      const at = scope.byName.get('listen')?.find(({ args }) => address.endsWith(`:${/(\d+)$/.exec(args[0] ?? '')?.[1]}`));
      if (seen.has(address)) throw new ConfigError(`a duplicate listen ${address}`, at);
      seen.add(address);
      if (isDefault && defaults.has(address)) throw new ConfigError(`a duplicate default server for ${address}`, at);
      if (isDefault && at) defaults.set(address, at);
      for (const name of own) {
        const key = `${name} ${address}`;
        if (names.has(key)) warn(`conflicting server name "${name}" on ${address}, ignored`);
        names.add(key);
      }
    }
  }
}

/** Values that are only understood when they are used are tried once, so that mistakes show at the start. */
function checkValues(scope: Scope): void {
  for (const name of ['client_max_body_size']) sizeOf(scope.byName.get(name)?.[0], 0);
  for (const name of ['proxy_connect_timeout', 'proxy_read_timeout', 'proxy_send_timeout']) timeOf(scope.byName.get(name)?.[0], 0);
}

/** Reads and checks the whole configuration. Throws ConfigError. */
export function loadConfig(fs: Vfs, options: { path: string; globals: string; uid: number }): NginxConfig {
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const directives = [...parseConfig(options.globals, 'command line'), ...readConfigFile(fs, options.path)];
  const main = buildScope(fs, { kind: 'm', directives, warn });
  const blocks = main.byName.get('http') ?? [];
  if (blocks.length > 1) throw new ConfigError('"http" directive is duplicate', blocks[1]);
  if (!main.byName.has('events')) throw new ConfigError('no "events" section in configuration');
  const http = buildScope(fs, { kind: 'h', directives: blocks[0]?.block ?? [], parent: main, warn });
  const upstreams = new Map((http.byName.get('upstream') ?? []).map((block) => [block.args[0] ?? '', buildUpstream(fs, block, { http, warn })]));
  const maps = new Map((http.byName.get('map') ?? []).map(buildMap).map((map) => [map.name, map]));
  const servers = (http.byName.get('server') ?? []).map((block) => buildServer(fs, block, { http, warn, uid: options.uid }));
  checkListens(servers, warn);
  const scopes = [http, ...servers.flatMap(({ scope, locations }) => [scope, ...allLocations(locations).map((location) => location.scope)])];
  for (const scope of scopes) checkValues(scope);
  checkVariables(http, scopes, maps);
  return { main, servers, upstreams, maps, warnings, pidFile: settingValue(main, 'pid') ?? '/run/nginx.pid' };
}

export function allLocations(locations: readonly Location[]): Location[] {
  return locations.flatMap((location) => [location, ...allLocations(location.locations)]);
}
