import type { Ingress, IngressClass } from '@orrery/api/types';
import type { GlobalSettings } from '../annotations/global.ts';
import { readAnnotations } from '../annotations/read.ts';
import type { ClientAuthSettings, LocationSettings } from '../annotations/settings.ts';
import { type Backend, type Backends, backendOf } from './backends.ts';
import { type PathMatcher, type PathType, comparePaths, hostCandidates, matchPath, pathMatcher } from './paths.ts';

/** What a table is made of. */
export interface IngressWorld extends Backends {
  readonly ingresses: readonly Ingress[];
  readonly classes: readonly IngressClass[];
  readonly global: GlobalSettings;
}

/** A canary of a location: another backend for some of its requests. */
export interface Alternative {
  readonly ingress: string;
  readonly backend: Backend;
  readonly settings: LocationSettings;
}

/** One path of one host. */
export interface Location {
  /** As configured: `*.example.org`, '' for any. */
  readonly host: string;
  readonly matcher: PathMatcher;
  readonly namespace: string;
  readonly ingress: string;
  readonly backend: Backend;
  readonly settings: LocationSettings;
  /** The host has TLS. */
  readonly tls: boolean;
  readonly alternatives: readonly Alternative[];
}

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** Of its Secret. */
  readonly namespace: string;
  /** Name of its Secret. */
  readonly secret: string;
}

export interface RoutingTable {
  /** Undefined: no rule matches (404). `groups` are those of the path's regular expression. */
  route(host: string, path: string): { readonly location: Location; readonly groups: readonly string[] } | undefined;
  /** The host that requests of this one are sent to: from-to-www-redirect. */
  wwwTarget(host: string): string | undefined;
  /** For a TLS server name; undefined: the controller's own certificate. */
  certificate(serverName: string): Certificate | undefined;
  /** What clients of a host have to show, and whose signature it must have; `ca` is empty when the Secret has none. */
  clientAuth(host: string): { readonly settings: ClientAuthSettings; readonly ca: string } | undefined;
  /** Whether any host has that. */
  readonly asksClients: boolean;
  /** What is wrong with annotations, by `namespace/name`. */
  readonly problems: ReadonlyMap<string, readonly string[]>;
  /** Every location by host, in the order they are tried; for a rendered configuration. */
  readonly hosts: ReadonlyMap<string, readonly Location[]>;
}

const defaultClassAnnotation = 'ingressclass.kubernetes.io/is-default-class';

/** Ingresses of our class; those that name none only if our class is the default one. */
export function isOurs(ingress: Ingress, classes: readonly IngressClass[], controller: string): boolean {
  const ours = classes.filter((c) => c.spec?.controller === controller);
  const named = ingress.spec?.ingressClassName ?? ingress.metadata?.annotations?.['kubernetes.io/ingress.class'];
  if (named !== undefined) return ours.some((c) => c.metadata?.name === named);
  return ours.some((c) => c.metadata?.annotations?.[defaultClassAnnotation] === 'true');
}

interface Parsed {
  readonly ingress: Ingress;
  readonly key: string;
  readonly namespace: string;
  readonly settings: LocationSettings;
}

interface Rule extends Parsed {
  readonly host: string;
  readonly type: PathType;
  readonly path: string;
  readonly backend: Backend;
}

function rulesOf(parsed: Parsed): Rule[] {
  const { ingress, namespace } = parsed;
  const out: Rule[] = [];
  for (const { host = '', http } of ingress.spec?.rules ?? []) {
    for (const { path = '/', pathType, backend } of http?.paths ?? []) {
      out.push({ ...parsed, host: host.toLowerCase(), type: (pathType ?? 'ImplementationSpecific') as PathType, path: path || '/', backend: backendOf(namespace, backend) });
    }
  }
  const fallback = ingress.spec?.defaultBackend;
  if (!fallback) return out;
  const hosts = new Set(out.map(({ host }) => host).filter((host) => !out.some((rule) => rule.host === host && rule.path === '/')));
  for (const host of new Set([...hosts, ''])) out.push({ ...parsed, host, type: 'Prefix', path: '/', backend: backendOf(namespace, fallback) });
  return out;
}

const samePlace = (a: Rule, b: Rule): boolean => a.host === b.host && a.path === b.path && a.type === b.type;

function locations(rules: readonly Rule[], tlsHosts: ReadonlySet<string>): Map<string, Location[]> {
  const canaries = rules.filter(({ settings }) => settings.canary);
  const mains = rules.filter(({ settings }) => !settings.canary);
  const regexHosts = new Set(mains.filter(({ settings }) => settings.useRegex || settings.rewriteTarget !== '').map(({ host }) => host));
  const byHost = new Map<string, Location[]>();
  const taken: Rule[] = [];
  for (const rule of mains) {
    // The older Ingress has the path.
    if (taken.some((other) => samePlace(other, rule))) continue;
    taken.push(rule);
    const alternatives = canaries.filter((canary) => samePlace(canary, rule)).map(({ key, backend, settings }) => ({ ingress: key, backend, settings }));
    const matcher = pathMatcher(rule.type, rule.path, regexHosts.has(rule.host));
    const location: Location = { host: rule.host, matcher, namespace: rule.namespace, ingress: rule.key, backend: rule.backend, settings: rule.settings, tls: tlsHosts.has(rule.host), alternatives };
    const known = byHost.get(rule.host);
    if (known) known.push(location);
    else byHost.set(rule.host, [location]);
  }
  // Sorting is stable: older Ingresses win a tie.
  for (const list of byHost.values()) list.sort((a, b) => comparePaths(a.matcher, b.matcher));
  return byHost;
}

/** By host; the first location that says so speaks for its host, as servers of nginx do. */
function clientAuths(world: IngressWorld, hosts: ReadonlyMap<string, readonly Location[]>): Map<string, { settings: ClientAuthSettings; ca: string }> {
  const found = new Map<string, { settings: ClientAuthSettings; ca: string }>();
  for (const [host, list] of hosts) {
    const settings = list.map((one) => one.settings.clientAuth).find((one) => one !== undefined);
    if (!settings) continue;
    const [namespace = '', name = ''] = settings.secret.split('/');
    const ca = world.secret(namespace, name)?.data?.['ca.crt'];
    found.set(host, { settings, ca: ca ? Buffer.from(String(ca), 'base64').toString('utf8') : '' });
  }
  return found;
}

/** Of what the candidates of a host have, the first. */
function ofHost<T>(host: string, all: ReadonlyMap<string, T>): T | undefined {
  for (const candidate of hostCandidates(host.toLowerCase())) {
    const found = all.get(candidate);
    if (found !== undefined) return found;
  }
  return undefined;
}

function certificates(world: IngressWorld, ingresses: readonly Ingress[]): Map<string, Certificate> {
  const found = new Map<string, Certificate>();
  for (const ingress of ingresses) {
    for (const { hosts = [], secretName = '' } of ingress.spec?.tls ?? []) {
      const data = world.secret(ingress.metadata?.namespace ?? '', secretName)?.data;
      const [cert, key] = [data?.['tls.crt'], data?.['tls.key']];
      if (!cert || !key) continue;
      const decode = (text: unknown): string => Buffer.from(String(text), 'base64').toString('utf8');
      for (const host of hosts) if (!found.has(host.toLowerCase())) found.set(host.toLowerCase(), { cert: decode(cert), key: decode(key), namespace: ingress.metadata?.namespace ?? '', secret: secretName });
    }
  }
  return found;
}

function addAliases(hosts: Map<string, Location[]>): void {
  const aliases = new Map<string, Location[]>();
  for (const [, list] of hosts) {
    for (const location of list) {
      for (const alias of location.settings.serverAlias) {
        const known = aliases.get(alias) ?? [];
        // Of an Ingress with several hosts the first has the path.
        const taken = known.some(({ matcher }) => matcher.type === location.matcher.type && matcher.path === location.matcher.path);
        if (!hosts.has(alias) && !taken) aliases.set(alias, [...known, location]);
      }
    }
  }
  for (const [alias, list] of aliases) hosts.set(alias, list);
}

/** Hosts with and without `www.` whose other form sends to them. */
function wwwTargets(hosts: ReadonlyMap<string, readonly Location[]>): Map<string, string> {
  const out = new Map<string, string>();
  for (const [host, list] of hosts) {
    if (!host || host.startsWith('*') || !list.some(({ settings }) => settings.fromToWww)) continue;
    const other = host.startsWith('www.') ? host.slice(4) : `www.${host}`;
    if (!hosts.has(other)) out.set(other, host);
  }
  return out;
}

/** The routing of one moment. Endpoints are looked up at each request, so that scaling needs no new table. */
export function buildTable(world: IngressWorld, controller: string): RoutingTable {
  const problems = new Map<string, readonly string[]>();
  const ours = world.ingresses
    .filter((ingress) => isOurs(ingress, world.classes, controller))
    .sort((a, b) => (a.metadata?.creationTimestamp ?? '').localeCompare(b.metadata?.creationTimestamp ?? ''));
  const parsed = ours.map((ingress): Parsed => {
    const { namespace = '', name = '', annotations = {} } = ingress.metadata ?? {};
    const key = `${namespace}/${name}`;
    const read = readAnnotations(annotations, namespace, world.global);
    if (read.problems.length) problems.set(key, read.problems);
    return { ingress, key, namespace, settings: read.settings };
  });
  const tlsHosts = new Set(ours.flatMap(({ spec }) => (spec?.tls ?? []).flatMap(({ hosts = [] }) => hosts.map((host) => host.toLowerCase()))));
  const hosts = locations(parsed.flatMap(rulesOf), tlsHosts);
  addAliases(hosts);
  const www = wwwTargets(hosts);
  const byName = certificates(world, ours);
  const clients = clientAuths(world, hosts);
  const first = (host: string, path: string): ReturnType<RoutingTable['route']> => {
    for (const location of hosts.get(host) ?? []) {
      const groups = matchPath(location.matcher, path);
      if (groups) return { location, groups };
    }
    return undefined;
  };
  return {
    problems,
    hosts,
    route(host, path) {
      // The host decides first; what it has no path for goes to the default backend only.
      const server = hostCandidates(host).find((candidate) => hosts.has(candidate));
      if (server === undefined) return undefined;
      const found = first(server, path);
      if (found || server === '') return found;
      const fallback = (hosts.get('') ?? []).find((location) => location.matcher.path === '/' && ours.some((i) => i.spec?.defaultBackend && `${i.metadata?.namespace}/${i.metadata?.name}` === location.ingress));
      return fallback && { location: fallback, groups: [path] };
    },
    wwwTarget: (host) => www.get(host),
    certificate: (serverName) => ofHost(serverName, byName),
    clientAuth: (host) => ofHost(host, clients),
    asksClients: clients.size > 0,
  };
}
