import { normalizeIp, parseIp } from '@orrery/vnet';
import type { Answer } from 'dns-packet';
import type { Timer } from '@orrery/runtime';
import { longestZone } from '../corefile/zones.ts';
import { bare } from '../message.ts';
import { addressOfReverseName, addressRecord, isIp6 } from '../zone/records.ts';
import { type Line, type Setup, duration, errorAt, fallthroughOf, integer, noArguments, noFallthrough, oneArgument, onlyOnce, zonesOf } from './plugin.ts';

/** Addresses of names, and names of addresses, both in the order of the table. */
interface Table {
  readonly addresses: Map<string, string[]>;
  readonly names: Map<string, string[]>;
}

const emptyTable = (): Table => ({ addresses: new Map(), names: new Map() });

function append(map: Map<string, string[]>, key: string, value: string): void {
  const known = map.get(key);
  if (!known) map.set(key, [value]);
  else if (!known.includes(value)) known.push(value);
}

/** Adds the lines of a hosts file: an address, then its names; `#` begins a comment. */
function addHosts(table: Table, text: string): void {
  for (const line of text.split('\n')) {
    const [ip = '', ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    if (!parseIp(ip)) continue;
    const address = normalizeIp(ip);
    for (const name of names) {
      const lower = name.toLowerCase().replace(/\.$/, '');
      append(table.addresses, lower, address);
      append(table.names, address, lower);
    }
  }
}

const defaultTtl = 3600;
const maxTtl = 65_535;

interface Settings {
  ttl: number;
  reverse: boolean;
  reloadMs: number;
  inline: string;
  fall: (name: string) => boolean;
}

function parse(line: Line): Settings {
  const settings: Settings = { ttl: defaultTtl, reverse: true, reloadMs: 5_000, inline: '', fall: noFallthrough };
  for (const property of line.block) {
    switch (property.name.text) {
      case 'fallthrough':
        settings.fall = fallthroughOf(property);
        break;
      case 'no_reverse':
        noArguments(property);
        settings.reverse = false;
        break;
      case 'ttl': {
        const token = oneArgument(property);
        settings.ttl = integer(token);
        if (settings.ttl <= 0 || settings.ttl > maxTtl) throw errorAt(token, 'ttl provided is invalid');
        break;
      }
      case 'reload': {
        const token = oneArgument(property);
        settings.reloadMs = duration(token);
        if (settings.reloadMs < 0) throw errorAt(token, `invalid negative duration for reload '${token.text}'`);
        break;
      }
      default:
        if (!parseIp(property.name.text)) throw errorAt(property.name, `unknown property '${property.name.text}'`);
        settings.inline += `${[property.name, ...property.args].map((word) => word.text).join(' ')}\n`;
    }
  }
  return settings;
}

/** Answers from a hosts file and from lines of its own: https://coredns.io/plugins/hosts/. */
export const hosts: Setup = (lines, { env, world, zones: ofBlock }) => {
  const line = onlyOnce(lines);
  const [file, ...named] = line.args;
  const path = file?.text ?? '/etc/hosts';
  const zones = zonesOf(named, ofBlock);
  const settings = parse(line);
  const entries = env.metrics.gauge('coredns_hosts_entries', 'The combined number of entries in hosts and Corefile.');
  let table = emptyTable();
  let timer: Timer | undefined;
  let read: string | undefined;
  const load = (): void => {
    const text = world.readFile(path) ?? '';
    if (text === read) return;
    read = text;
    const next = emptyTable();
    addHosts(next, settings.inline);
    addHosts(next, text);
    table = next;
    entries.set([...next.addresses.values()].reduce((sum, list) => sum + list.length, 0));
  };
  return {
    async handle(query, next) {
      const reverse = query.type === 'PTR' ? addressOfReverseName(query.name) : undefined;
      if (longestZone(query.name, zones) === undefined && !reverse) return next(query);
      const record = (data: string): Answer => (query.type === 'PTR' ? { name: query.asked, type: 'PTR', ttl: settings.ttl, data } : addressRecord(query.asked, data, settings.ttl));
      if (query.type === 'PTR') {
        const names = reverse && settings.reverse ? (table.names.get(reverse) ?? []) : [];
        if (!names.length) return next(query);
        return { ...bare('NOERROR'), authoritative: true, answers: names.map(record) };
      }
      const known = table.addresses.get(query.name);
      if (!known) {
        // There is no SOA that NXDOMAIN would need.
        return settings.fall(query.name) ? next(query) : bare('SERVFAIL');
      }
      const wanted = known.filter((ip) => query.type === (isIp6(ip) ? 'AAAA' : 'A'));
      return { ...bare('NOERROR'), authoritative: true, answers: wanted.map(record) };
    },
    start() {
      load();
      if (settings.reloadMs) timer = env.clock.every(settings.reloadMs, load);
    },
    stop: () => timer?.cancel(),
  };
};
