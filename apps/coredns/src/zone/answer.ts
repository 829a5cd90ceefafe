import type { Answer } from 'dns-packet';
import type { Query, Reply } from '../message.ts';
import { withQuestion } from '../message.ts';
import { inZone } from '../corefile/zones.ts';
import { type ClusterView, type Lookup, type Record, type ZoneOptions, lookUp, nameServers, namesOfAddress, nsName } from './kubernetes.ts';
import { addressOfReverseName, addressRecord, isAddress, isIp6 } from './records.ts';

export interface Zone extends ZoneOptions {
  /** Of this answer: the longest that the name lies in. */
  readonly zone: string;
  /** The first that is not a reverse zone: PTR records point into it. */
  readonly primary: string;
  readonly view: ClusterView;
  /** Counts what could alter an answer; Unix seconds. */
  readonly serial: () => number;
  readonly localIps: () => readonly string[];
  /** Asks this server, or whoever it forwards to, for the target of an ExternalName. */
  readonly resolve: (query: Query) => Promise<Reply>;
}

const schemaVersion = '1.1.0';
const versionTtl = 28_800;
/** Longest chain of ExternalNames that is followed. */
const maxChain = 8;

interface Found {
  readonly answers: readonly Answer[];
  readonly additionals?: readonly Answer[];
}

const fails = 'no such name';
type Result = Found | typeof fails;

function soa({ zone, ttl, serial }: Zone): Answer {
  const under = (label: string): string => (zone ? `${label}.${zone}` : label);
  return { name: zone, type: 'SOA', ttl: Math.min(300, ttl), data: { mname: nsName(zone), rname: under('hostmaster'), serial: serial(), refresh: 7200, retry: 1800, expire: 86_400, minimum: ttl } };
}

async function addresses(query: Query, lookup: readonly Record[], zone: Zone, chain: readonly string[]): Promise<Answer[]> {
  const wantsIp6 = query.type === 'AAAA';
  const out: Answer[] = [];
  const seen = new Set<string>();
  for (const { host } of lookup) {
    if (isAddress(host)) {
      if (isIp6(host) === wantsIp6 && !seen.has(host)) out.push(addressRecord(query.asked, host, zone.ttl));
      seen.add(host);
    } else out.push(...(await behind(query, host, zone, chain)));
  }
  return out;
}

/** The alias and what it leads to; an alias within the zone that leads nowhere is left out. */
async function behind(query: Query, target: string, zone: Zone, chain: readonly string[]): Promise<Answer[]> {
  const lower = target.toLowerCase();
  if (lower === query.name || chain.includes(lower) || chain.length >= maxChain) return [];
  const alias: Answer = { name: query.asked, type: 'CNAME', ttl: zone.ttl, data: target };
  const next = withQuestion(query, { name: target });
  if (!inZone(lower, zone.zone)) return [alias, ...(await zone.resolve(next)).answers];
  const found = lookUp(lower, zone.zone, zone.view, zone);
  const rest = found === fails ? [] : await addresses(next, found, zone, [...chain, query.name]);
  return rest.length ? [alias, ...rest] : [];
}

function services(query: Query, lookup: readonly Record[], zone: Zone): Found {
  const targets = lookup.filter(({ host }) => isAddress(host));
  // As many shares as there are targets, doubles included.
  const weight = Math.max(1, Math.floor(100 / Math.max(1, targets.length)));
  const answers = new Map<string, Answer>();
  const additionals = new Map<string, Answer>();
  for (const { owner, host, port } of targets) {
    if (port === -1) continue;
    answers.set(`${owner} ${port}`, { name: query.asked, type: 'SRV', ttl: zone.ttl, data: { priority: 0, weight, port, target: owner } });
    additionals.set(`${owner} ${host}`, addressRecord(owner, host, zone.ttl));
  }
  return { answers: [...answers.values()], additionals: [...additionals.values()] };
}

function pointers(query: Query, zone: Zone): Result {
  const address = addressOfReverseName(query.name);
  if (!address) return lookUp(query.name, zone.zone, zone.view, zone) === fails ? fails : { answers: [] };
  const names = namesOfAddress(address, zone.primary, zone.view, zone);
  return names.length ? { answers: names.map((data): Answer => ({ name: query.asked, type: 'PTR', ttl: zone.ttl, data })) } : fails;
}

function servers(query: Query, zone: Zone): Found {
  const all = nameServers(zone.localIps(), zone.zone, zone.view, zone);
  const answers = [...new Set(all.map(({ name }) => name))].map((data): Answer => ({ name: query.asked, type: 'NS', ttl: zone.ttl, data }));
  return { answers, additionals: all.map(({ name, address }) => addressRecord(name, address, zone.ttl)) };
}

const none = (lookup: Lookup): Result => (lookup === fails ? fails : { answers: [] });

async function answersTo(query: Query, zone: Zone): Promise<Result> {
  const apex = query.name === zone.zone;
  const look = (): Lookup => {
    if (query.name !== nsName(zone.zone)) return lookUp(query.name, zone.zone, zone.view, zone);
    return nameServers(zone.localIps(), zone.zone, zone.view, zone).map(({ address }) => ({ owner: query.name, host: address, port: -1 }));
  };
  switch (query.type) {
    case 'A':
    case 'AAAA': {
      const found = look();
      return found === fails ? fails : { answers: await addresses(query, found, zone, []) };
    }
    case 'SRV': {
      const found = look();
      return found === fails ? fails : services(query, found, zone);
    }
    case 'CNAME': {
      const found = look();
      if (found === fails) return fails;
      return { answers: found.slice(0, 1).filter(({ host }) => !isAddress(host)).map(({ host }): Answer => ({ name: query.asked, type: 'CNAME', ttl: zone.ttl, data: host })) };
    }
    case 'PTR':
      return pointers(query, zone);
    case 'TXT':
      if (query.name !== (zone.zone ? `dns-version.${zone.zone}` : 'dns-version')) return none(look());
      return { answers: [{ name: query.asked, type: 'TXT', ttl: versionTtl, data: schemaVersion }] };
    case 'SOA':
      return apex ? { answers: [soa(zone)] } : none(look());
    case 'NS':
      return apex ? servers(query, zone) : none(look());
    default:
      return none(look());
  }
}

/** Answers for the zone with authority; undefined when there is no such name, for who comes next or for `noSuchName`. */
export async function answerFromCluster(query: Query, zone: Zone): Promise<Reply | undefined> {
  const found = await answersTo(query, zone);
  if (found === fails) return undefined;
  const { answers, additionals = [] } = found;
  return { rcode: 'NOERROR', answers, additionals, authorities: answers.length ? [] : [soa(zone)], authoritative: true };
}

/** SERVFAIL: what there is is not known yet. */
export function notKnown(zone: Zone): Reply {
  return { ...noSuchName(zone), rcode: 'SERVFAIL' };
}

/** NXDOMAIN with the zone's SOA, whose minimum says how long that may be remembered (RFC 2308). */
export function noSuchName(zone: Zone): Reply {
  return { rcode: 'NXDOMAIN', answers: [], additionals: [], authorities: [soa(zone)], authoritative: true };
}
