import type { LocationSettings } from '../annotations/settings.ts';
import { endpointsOf } from '../routing/backends.ts';
import type { Location } from '../routing/table.ts';
import { canaryMaps } from './canary-maps.ts';
import { type NginxInput, fileName, leavingHeader, leavingServer, upstreamFor, zoneName } from './input.ts';
import { locationBody } from './location.ts';

/** Contents by path below `dir`; `nginx.conf` among them. */
export type NginxFiles = ReadonlyMap<string, string>;

/** Settings this data plane has no means for; an Ingress that has them is told so. */
export function unsupported(settings: LocationSettings): string[] {
  return [
    ...(settings.externalAuth ? ['auth-url'] : []),
    ...(settings.customHttpErrors.length ? ['custom-http-errors'] : []),
    ...(settings.mirrorTarget ? ['mirror-target'] : []),
    ...(settings.clientAuth ? ['auth-tls-secret'] : []),
    ...(settings.loadBalance === 'ewma' ? ['load-balance: ewma'] : []),
    ...(settings.satisfy === 'any' ? ['satisfy: any'] : []),
    ...(settings.sticky?.mode === 'persistent' ? ['affinity-mode: persistent'] : []),
  ];
}

function upstreams(input: NginxInput, locations: readonly Location[]): string[] {
  const out = new Map<string, string>();
  for (const location of locations) {
    for (const [backend, settings] of [[location.backend, location.settings] as const, ...location.alternatives.map((one) => [one.backend, location.settings] as const)]) {
      const name = upstreamFor(backend, settings);
      const servers = endpointsOf(input.backends, backend, settings.serviceUpstream).flatMap((endpoint) => input.address(endpoint, backend) ?? []);
      if (out.has(name) || !servers.length) continue;
      const balance = settings.sticky ? [`hash $sticky_${settings.sticky.name} consistent;`] : settings.hashBy ? [`hash "${settings.hashBy}" consistent;`] : [];
      // For a request that was with one endpoint after the other just as each ended. nginx has none beside a hash.
      const spare = balance.length ? undefined : input.address(undefined, backend);
      const keep = input.global.keepAliveConnections ? [`keepalive ${input.global.keepAliveConnections};`, `keepalive_timeout ${input.global.keepAliveSeconds}s;`] : [];
      out.set(name, [`upstream ${name} {`, ...[...balance, ...servers.map((address) => `server ${address} max_fails=0;`), ...(spare ? [`server ${spare} max_fails=0 backup;`] : []), ...keep].map((line) => `  ${line}`), '}'].join('\n'));
    }
  }
  return [...out.values()];
}

function limitZones(locations: readonly Location[]): string[] {
  const lines = new Set<string>();
  for (const location of locations) {
    const { perSecond, perMinute, connections } = location.settings.limits;
    const zone = zoneName(location);
    if (perSecond) lines.add(`limit_req_zone $binary_remote_addr zone=${zone}_rps:5m rate=${perSecond}r/s;`);
    if (perMinute) lines.add(`limit_req_zone $binary_remote_addr zone=${zone}_rpm:5m rate=${perMinute}r/m;`);
    if (connections) lines.add(`limit_conn_zone $binary_remote_addr zone=${zone}_conn:5m;`);
  }
  return [...lines];
}

function stickyMaps(locations: readonly Location[]): string[] {
  const lines = new Map<string, string>();
  for (const { settings } of locations) {
    const { sticky } = settings;
    if (!sticky) continue;
    const attributes = [...(sticky.maxAge === undefined ? [] : [`Max-Age=${sticky.maxAge}`]), `Path=${sticky.path || '/'}`, 'HttpOnly', ...(sticky.sameSite ? [`SameSite=${sticky.sameSite}`] : [])].join('; ');
    lines.set(sticky.name, [`map $cookie_${sticky.name} $sticky_${sticky.name} { default $cookie_${sticky.name}; '' $request_id; }`, `map $cookie_${sticky.name} $set_${sticky.name} { default ''; '' "${sticky.name}=$request_id; ${attributes}"; }`].join('\n'));
  }
  return [...lines.values()];
}

const indent = (text: string): string => text.split('\n').map((line) => (line ? `  ${line}` : line)).join('\n');

function servers(input: NginxInput, files: Map<string, string>): string[] {
  const { table, global, host, httpPort, httpsPort, dir } = input;
  const listen = (options: string): string[] => [`listen ${host}:${httpPort}${options};`, `listen ${host}:${httpsPort} ssl http2${options};`];
  const certificate = (name: string): string[] => {
    const own = name ? table.certificate(name.startsWith('*') ? `x${name.slice(1)}` : name) : undefined;
    const base = own ? fileName(name) : 'default';
    if (own) files.set(`certs/${base}.pem`, `${own.cert.trimEnd()}\n${own.key}`);
    return [`ssl_certificate ${dir}/certs/${base}.pem;`, `ssl_certificate_key ${dir}/certs/${base}.pem;`];
  };
  const leaving = leavingServer(input);
  const notFound = `location / { ${leavingHeader} return 404 "default backend - 404"; }`;
  const out: string[] = [];
  const redirected = new Set<string>();
  for (const [name, locations] of table.hosts) {
    const other = name.startsWith('www.') ? name.slice(4) : `www.${name}`;
    if (table.wwwTarget(other) === name && !redirected.has(other)) {
      redirected.add(other);
      out.push(['server {', ...[...listen(''), ...certificate(name), `server_name ${other};`, ...leaving, leavingHeader, `return ${global.redirectStatus} $scheme://${name}$request_uri;`].map((line) => `  ${line}`), '}'].join('\n'));
    }
    const body = locations.map((location) => locationBody(location, input, files));
    const root = locations.some(({ matcher }) => matcher.path === '/') ? [] : [notFound];
    const isDefault = name === '';
    const pattern = name.startsWith('*') ? `~^[^.]+${name.slice(1).replaceAll('.', '\\.')}$` : name;
    out.push(['server {', indent([...listen(isDefault ? ' default_server' : ''), `server_name ${isDefault ? '_' : `"${pattern}"`};`, ...certificate(name), ...leaving, ...body, ...root].join('\n')), '}'].join('\n'));
  }
  if (!table.hosts.has('')) out.push(['server {', indent([...listen(' default_server'), 'server_name _;', ...certificate(''), ...leaving, notFound].join('\n')), '}'].join('\n'));
  return out;
}

/** The whole configuration of nginx for a table of the moment. Pure: the same input makes the same text. */
export function renderNginx(input: NginxInput): NginxFiles {
  const { table, global, dir, user } = input;
  const files = new Map<string, string>();
  const locations = [...table.hosts.values()].flat();
  const quoted = global.logFormat.replaceAll("'", "\\'").replaceAll('$proxy_upstream_name', '$proxy_host').replaceAll('$proxy_alternative_upstream_name', '');
  const http = [
    `log_format upstreaminfo escape=default '${quoted}';`,
    global.accessLog ? `access_log ${dir}/access.log upstreaminfo;` : 'access_log off;',
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/temp-${name};`),
    'server_tokens off;',
    'server_names_hash_bucket_size 256;',
    'map_hash_bucket_size 256;',
    'variables_hash_max_size 4096;',
    'default_type text/plain;',
    "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }",
    `map "$http2$http_upgrade" $stays { default 1; '' 0; }`,
    'map $http_x_request_id $req_id { default $http_x_request_id; "" $request_id; }',
    ...limitZones(locations),
    ...stickyMaps(locations),
    ...locations.flatMap((location) => canaryMaps(location, input)),
    ...upstreams(input, locations),
    ...servers(input, files),
  ];
  const conf = [...(user ? [`user ${user};`] : []), 'daemon off;', 'worker_processes auto;', 'worker_shutdown_timeout 240s;', `pid ${dir}/nginx.pid;`, 'error_log stderr warn;', 'events { worker_connections 4096; }', 'http {', indent(http.join('\n')), '}', ''].join('\n');
  files.set('nginx.conf', conf);
  return files;
}
