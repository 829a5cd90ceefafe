import { cidrContains, parseCidr, parseIp } from '@orrery/vnet';
import { longestZone } from '../corefile/zones.ts';
import { bare } from '../message.ts';
import { addressRecord, isIp6 } from '../zone/records.ts';
import { type Setup, argumentError, errorAt, integer, noArguments, onlyOnce, zonesOf } from './plugin.ts';

/** Who asks, and from which port: https://coredns.io/plugins/whoami/. */
export const whoami: Setup = (lines) => {
  noArguments(onlyOnce(lines));
  return {
    async handle(query) {
      const { ip, port } = query.client;
      const srv = { name: query.asked ? `_${query.transport}.${query.asked}` : `_${query.transport}`, type: 'SRV' as const, ttl: 0, data: { port, target: '' } };
      return { ...bare('NOERROR'), authoritative: true, additionals: [...(parseIp(ip) ? [addressRecord(query.asked, ip, 0)] : []), srv] };
    },
  };
};

/** Refuses to list everything (RFC 8482). */
export const any: Setup = (lines) => {
  noArguments(onlyOnce(lines));
  return {
    async handle(query, next) {
      if (query.type !== 'ANY') return next(query);
      return { ...bare('NOERROR'), authoritative: true, answers: [{ name: query.asked, type: 'HINFO', ttl: 8482, data: { cpu: 'ANY obsoleted', os: 'See RFC 8482' } }] };
    },
  };
};

/** Leaves out what need not be said. */
export const minimal: Setup = (lines) => {
  noArguments(onlyOnce(lines));
  return {
    async handle(query, next) {
      const reply = await next(query);
      return reply.rcode === 'NOERROR' && reply.answers.length ? { ...reply, authorities: [], additionals: [] } : reply;
    },
  };
};

/** Limits what EDNS clients get in one datagram. */
export const bufsize: Setup = (lines) => {
  const line = onlyOnce(lines);
  const [token] = line.args;
  if (line.args.length > 1) throw argumentError(line);
  const most = token ? integer(token) : 1232;
  if (token && (most < 512 || most > 4096)) throw errorAt(token, 'size must be within 512 - 4096');
  return { handle: async (query, next) => ({ ...(await next(query)), maxSize: most }) };
};

const local = { localhost: { A: '127.0.0.1', AAAA: '::1' } } as const;

/** Names that never leave a machine. */
export const localNames: Setup = (lines) => {
  noArguments(onlyOnce(lines));
  return {
    async handle(query, next) {
      const isLocalhost = query.name === 'localhost' || query.name.startsWith('localhost.');
      if (!isLocalhost) return next(query);
      const ip = local.localhost[query.type as 'A'];
      return { ...bare('NOERROR'), authoritative: true, answers: ip ? [addressRecord(query.asked, ip, 86_400)] : [] };
    },
  };
};

/** `chaos [VERSION] [AUTHORS...]`: version.bind, hostname.bind, authors.bind in class CH. */
export const chaos: Setup = (lines) => {
  const line = onlyOnce(lines);
  const [version, ...authors] = line.args.map((arg) => arg.text);
  const texts: Readonly<Record<string, readonly string[]>> = {
    'version.bind': [version ?? 'CoreDNS'], 'version.server': [version ?? 'CoreDNS'], 'hostname.bind': ['localhost'], 'id.server': ['localhost'], 'authors.bind': authors,
  };
  return {
    async handle(query, next) {
      const found = query.class === 'CH' && query.type === 'TXT' ? texts[query.name] : undefined;
      if (!found) return next(query);
      return { ...bare('NOERROR'), answers: found.map((data) => ({ name: query.asked, type: 'TXT' as const, class: 'CH' as const, ttl: 0, data })) };
    },
  };
};

interface AclRule {
  readonly action: 'allow' | 'block' | 'filter' | 'drop';
  readonly types: ReadonlySet<string>;
  readonly sources: readonly string[];
}

function isCidr(text: string): boolean {
  try {
    parseCidr(text);
    return true;
  } catch {
    return false;
  }
}

/** Lets sources ask, or not: https://coredns.io/plugins/acl/. */
export const acl: Setup = (lines, { zones: ofBlock }) => {
  const lists = lines.map((line) => {
    const rules = line.block.map((entry): AclRule => {
      const action = entry.name.text;
      if (action !== 'allow' && action !== 'block' && action !== 'filter' && action !== 'drop') throw errorAt(entry.name, `unexpected token "${action}"; expect 'allow', 'block', 'filter' or 'drop'`);
      const types = new Set<string>();
      const sources: string[] = [];
      let into: 'type' | 'net' | undefined;
      for (const arg of entry.args) {
        if (arg.text === 'type' || arg.text === 'net') into = arg.text;
        else if (into === 'type') types.add(arg.text.toUpperCase());
        else if (into === 'net') {
          const text = arg.text.includes('/') ? arg.text : `${arg.text}/${isIp6(arg.text) ? 128 : 32}`;
          if (arg.text !== '*' && !isCidr(text)) throw errorAt(arg, `illegal CIDR notation ${JSON.stringify(arg.text)}`);
          sources.push(arg.text === '*' ? '*' : text);
        } else throw errorAt(arg, `unexpected token "${arg.text}"; expect 'type' or 'net'`);
      }
      return { action, types: types.has('*') || types.has('ANY') ? new Set() : types, sources: sources.includes('*') ? [] : sources };
    });
    return { zones: zonesOf(line.args, ofBlock), rules };
  });
  const applies = ({ types, sources }: AclRule, type: string, ip: string): boolean => {
    const parsed = parseIp(ip);
    const within = (source: string): boolean => parsed !== undefined && cidrContains(parseCidr(source), parsed);
    return (types.size === 0 || types.has(type)) && (sources.length === 0 || sources.some(within));
  };
  return {
    async handle(query, next) {
      for (const { zones, rules } of lists) {
        if (longestZone(query.name, zones) === undefined) continue;
        const rule = rules.find((one) => applies(one, query.type, query.client.ip));
        if (rule?.action === 'allow') break;
        if (rule?.action === 'block') return bare('REFUSED');
        if (rule?.action === 'filter') return bare('NOERROR');
        if (rule?.action === 'drop') return { ...bare('NOERROR'), dropped: true };
      }
      return next(query);
    },
  };
};
