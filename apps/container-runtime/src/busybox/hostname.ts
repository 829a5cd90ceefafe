import { hostEntry } from '../net/resolver.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, parseOptions } from './applet.ts';

/** The name that /etc/hosts gives first where it has the host's name: the whole one, if there is one. */
const canonicalName = (proc: Proc): string => hostEntry(proc, proc.host.hostname)?.names[0] ?? proc.host.hostname;

function domainOf(name: string): string {
  const dot = name.indexOf('.');
  return dot < 0 ? '' : name.slice(dot + 1);
}

/** The name of the kernel, or what -s, -f, -d, -i and -I make of it; the last of the options counts. */
export const hostname: Applet = async (proc, args) => {
  const { flags, operands } = parseOptions(args, 'isfdI', { long: { fqdn: 'f', long: 'f', short: 's', domain: 'd', 'ip-address': 'i', 'all-ip-addresses': 'I' } });
  if (operands.length) {
    await proc.err('hostname: sethostname: Operation not permitted\n');
    return 1;
  }
  const { hostname: name } = proc.host;
  const ips = (): string => proc.net.stack.ips.join(' ');
  const shown: readonly (readonly [string, () => string])[] = [['i', ips], ['I', () => `${ips()} `], ['f', () => canonicalName(proc)], ['d', () => domainOf(canonicalName(proc))], ['s', () => name.split('.')[0] ?? '']];
  const text = shown.find(([flag]) => flags.has(flag))?.[1]() ?? name;
  // Without a domain there is not even an empty line.
  if (text || !flags.has('d')) await proc.out(`${text}\n`);
  return 0;
};

export const dnsdomainname: Applet = (proc, _args, stdin) => hostname(proc, ['-d'], stdin);
