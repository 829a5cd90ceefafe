import { parseIp } from '@orrery/vnet';
import type { UpstreamAddress } from '../world.ts';
import { normalizeZone } from '../corefile/zones.ts';
import { type Line, type PluginContext, argumentError, duration, errorAt, integer, noArguments, oneArgument, zonesOf } from './plugin.ts';

export interface Upstream extends UpstreamAddress {
  readonly tls: boolean;
  readonly serverName: string;
}

export interface ForwardSettings {
  from: string;
  upstreams: Upstream[];
  except: string[];
  maxFails: number;
  policy: 'random' | 'round_robin' | 'sequential';
  forceTcp: boolean;
  preferUdp: boolean;
  /** 0: no limit. */
  maxConcurrent: number;
  healthMs: number;
  healthRecursion: boolean;
  healthDomain: string;
  failFast: boolean;
  failover: readonly string[];
  serverName: string;
  ca: string | undefined;
}

const maxUpstreams = 15;

/** The name servers that a resolv.conf names. */
export function nameServersOf(text: string): string[] {
  return text.split('\n').flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
}

/** `10.0.0.1`, `10.0.0.1:1053`, `[fd00::1]:53`, `fd00::1`; undefined for anything else. */
function hostPort(text: string, port: number): UpstreamAddress | undefined {
  const bare = text.replace(/%.*$/, '');
  if (parseIp(bare)) return { ip: bare, port };
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  const ip = match?.[1] ?? match?.[2] ?? '';
  return match && parseIp(ip) && Number(match[3]) <= 65_535 ? { ip, port: Number(match[3]) } : undefined;
}

function upstreamsOf(line: Line, { world }: PluginContext): Upstream[] {
  const out: Upstream[] = [];
  for (const token of line.args.slice(1)) {
    const [, scheme = 'dns', rest = ''] = /^(?:([a-z0-9]+):\/\/)?(.*)$/i.exec(token.text) ?? [];
    if (scheme !== 'dns' && scheme !== 'tls') throw errorAt(token, `'${scheme}' is not supported as a destination protocol in forward: ${token.text}`);
    const tls = scheme === 'tls';
    const [host = '', serverName = ''] = rest.split('%');
    const one = hostPort(host, tls ? 853 : 53);
    if (one) {
      out.push({ ...one, tls, serverName });
      continue;
    }
    const text = world.readFile(rest);
    if (text === undefined) throw errorAt(token, `not an IP address or file: "${rest}"`);
    const servers = nameServersOf(text);
    if (!servers.length) throw errorAt(token, `no nameservers found in ${JSON.stringify(rest)}`);
    for (const server of servers) out.push({ ip: server.replace(/%.*$/, ''), port: tls ? 853 : 53, tls, serverName: '' });
  }
  if (out.length > maxUpstreams) throw errorAt(line.name, `more than ${maxUpstreams} TOs configured: ${out.length}`);
  return out;
}

function healthCheck(line: Line, settings: ForwardSettings): void {
  const [period, ...options] = line.args;
  if (!period) throw argumentError(line);
  settings.healthMs = duration(period);
  if (settings.healthMs < 0) throw errorAt(period, `health_check can't be negative: ${settings.healthMs}`);
  for (let i = 0; i < options.length; i++) {
    const option = options[i];
    if (option?.text === 'no_rec') settings.healthRecursion = false;
    else if (option?.text === 'domain') {
      const domain = options[++i];
      if (!domain) throw argumentError(line);
      settings.healthDomain = normalizeZone(domain.text)[0] ?? '';
    } else throw errorAt(option ?? period, `health_check: unknown option ${option?.text ?? ''}`);
  }
}

const natural = (line: Line): number => {
  const token = oneArgument(line);
  const value = integer(token);
  if (value < 0) throw errorAt(token, `${line.name.text} can't be negative: ${value}`);
  return value;
};

const properties: Readonly<Record<string, (line: Line, settings: ForwardSettings, context: PluginContext) => void>> = {
  except(line, settings) {
    if (!line.args.length) throw argumentError(line);
    settings.except.push(...zonesOf(line.args, []));
  },
  max_fails: (line, settings) => void (settings.maxFails = natural(line)),
  health_check: healthCheck,
  force_tcp(line, settings) {
    noArguments(line);
    settings.forceTcp = true;
  },
  prefer_udp(line, settings) {
    noArguments(line);
    settings.preferUdp = true;
  },
  tls(line, settings, { world }) {
    if (line.args.length > 3) throw argumentError(line);
    const file = line.args.length === 1 ? line.args[0] : line.args[2];
    if (line.args.length === 2) throw errorAt(line.name, 'client certificates are not supported in forward');
    if (!file) return;
    settings.ca = world.readFile(file.text);
    if (settings.ca === undefined) throw errorAt(file, `error reading ${file.text}: no such file or directory`);
  },
  tls_servername: (line, settings) => void (settings.serverName = oneArgument(line).text),
  // Connections are not kept: there is nothing that could expire.
  expire(line) {
    const token = oneArgument(line);
    if (duration(token) < 0) throw errorAt(token, `expire can't be negative: ${token.text}`);
  },
  policy(line, settings) {
    const token = oneArgument(line);
    if (token.text !== 'random' && token.text !== 'round_robin' && token.text !== 'sequential') throw errorAt(token, `unknown policy '${token.text}'`);
    settings.policy = token.text;
  },
  max_concurrent: (line, settings) => void (settings.maxConcurrent = natural(line)),
  failfast_all_unhealthy_upstreams(line, settings) {
    noArguments(line);
    settings.failFast = true;
  },
  failover(line, settings) {
    if (!line.args.length) throw argumentError(line);
    settings.failover = line.args.map((arg) => arg.text.toUpperCase());
  },
};

/** `forward FROM TO... { ... }` */
export function parseForward(line: Line, context: PluginContext): ForwardSettings {
  const [from] = line.args;
  if (!from || line.args.length < 2) throw argumentError(line);
  const settings: ForwardSettings = {
    from: normalizeZone(from.text)[0] ?? '',
    upstreams: upstreamsOf(line, context),
    except: [],
    maxFails: 2,
    policy: 'random',
    forceTcp: false,
    preferUdp: false,
    maxConcurrent: 0,
    healthMs: 500,
    healthRecursion: true,
    healthDomain: '',
    failFast: false,
    failover: [],
    serverName: '',
    ca: undefined,
  };
  for (const property of line.block) {
    const read = properties[property.name.text];
    if (!read) throw errorAt(property.name, `unknown property '${property.name.text}'`);
    read(property, settings, context);
  }
  return settings;
}
