import { parseIp } from '@orrery/vnet';
import type { Token } from './lexer.ts';
import { errorAt } from './parser.ts';

/** Where a server block listens and for which zones. */
export interface Address {
  /** Lower case, without the dot at its end; '' is the root. */
  readonly zone: string;
  readonly port: number;
}

const defaultPort = 53;

/** Zones of a prefix: `10.1.0.0/16` is 1.10.in-addr.arpa; what ends within a label becomes several. Undefined: no prefix. */
export function reverseZones(text: string): string[] | undefined {
  const [ip = '', length = ''] = text.split('/');
  const parsed = parseIp(ip);
  if (!parsed || !/^\d+$/.test(length)) return undefined;
  const v4 = parsed.family === 4;
  const bits = Number(length);
  const [width, step] = v4 ? [32, 8] : [128, 4];
  if (bits > width) return undefined;
  const labels = Math.ceil(bits / step);
  const base = parsed.value >> BigInt(width - labels * step);
  const count = 2 ** (labels * step - bits);
  return Array.from({ length: count }, (_, i) => {
    const value = (base >> BigInt(labels * step - bits) << BigInt(labels * step - bits)) + BigInt(i);
    const names = Array.from({ length: labels }, (_unused, at) => ((value >> BigInt(at * step)) & BigInt(2 ** step - 1)).toString(v4 ? 10 : 16));
    return [...names, v4 ? 'in-addr.arpa' : 'ip6.arpa'].join('.');
  });
}

/** A zone as compared: lower case, no dot at the end. A prefix is its reverse zones. Scheme and port are dropped. */
export function normalizeZone(text: string): string[] {
  const [, host = ''] = /^(?:[a-z]+:\/\/)?(.*)$/i.exec(text) ?? [];
  const reverse = reverseZones(host);
  if (reverse) return reverse;
  const colon = host.lastIndexOf(':');
  const name = colon >= 0 && /^\d+$/.test(host.slice(colon + 1)) ? host.slice(0, colon) : host;
  return [name.toLowerCase().replace(/\.$/, '')];
}

const badLabel = /[^\x21-\x7e]|^$/;

/** The addresses of a server block's key: `[dns://]ZONE[:PORT]`. */
export function parseAddress(key: Token, port = defaultPort): Address[] {
  const [, scheme = 'dns', rest = ''] = /^(?:([a-z0-9]+):\/\/)?(.*)$/i.exec(key.text) ?? [];
  if (scheme !== 'dns') throw errorAt(key, `transport '${scheme}' is not supported by this server: ${key.text}`);
  const prefix = /^([^:]*\/\d+|.*::?[^:]*\/\d+)(?::(\d+))?$/.exec(rest);
  const [, zone = '', ownPort] = prefix ?? /^(.*?)(?::(\d+))?$/.exec(rest) ?? [];
  const number = ownPort === undefined ? port : Number(ownPort);
  if (number > 65_535) throw errorAt(key, `invalid port ${ownPort ?? ''} in ${key.text}`);
  const zones = normalizeZone(zone === '' ? '.' : zone);
  for (const name of zones) {
    if (name !== '' && name.split('.').some((label) => badLabel.test(label) || label.length > 63)) throw errorAt(key, `'${key.text}' is not a valid domain name`);
  }
  return zones.map((name) => ({ zone: name, port: number }));
}

/** Whether a name lies within a zone, both normalized. */
export function inZone(name: string, zone: string): boolean {
  return zone === '' || name === zone || (name.length > zone.length && name.endsWith(zone) && name[name.length - zone.length - 1] === '.');
}

/** The longest of the zones a name lies in. */
export function longestZone(name: string, zones: readonly string[]): string | undefined {
  let best: string | undefined;
  for (const zone of zones) if ((best === undefined || zone.length > best.length) && inZone(name, zone)) best = zone;
  return best;
}
