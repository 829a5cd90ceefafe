import type { Location } from '../routing/table.ts';
import { type NginxInput, hasServers, upstreamFor } from './input.ts';

/** FNV-1a: names of variables must not repeat. */
export function variableOf({ host, ingress, matcher }: Location): string {
  let value = 0x811c9dc5;
  for (const char of `${host}|${ingress}|${matcher.type}|${matcher.path}`) value = Math.imul(value ^ char.charCodeAt(0), 0x01000193);
  return `canary_${(value >>> 0).toString(16)}`;
}

/** The canary that takes requests of a location; the first that has anybody behind it. */
function taking(location: Location, input: NginxInput): Location['alternatives'][number] | undefined {
  return location.alternatives.find(({ backend }) => hasServers(input, backend, location.settings));
}

export function hasCanary(location: Location, input: NginxInput): boolean {
  return taking(location, input) !== undefined && hasServers(input, location.backend, location.settings);
}

/** Maps that choose a location's upstream: by header, else by cookie, else by weight. */
export function canaryMaps(location: Location, input: NginxInput): string[] {
  const canary = taking(location, input);
  const settings = canary?.settings.canary;
  if (!canary || !settings || !hasCanary(location, input)) return [];
  const name = variableOf(location);
  const own = upstreamFor(location.backend, location.settings);
  const other = upstreamFor(canary.backend, location.settings);
  const share = Math.min(100, (settings.weight / settings.weightTotal) * 100);
  const weight = share <= 0 ? [`map $request_id $${name}_weight { default ${own}; }`] : share >= 100 ? [`map $request_id $${name}_weight { default ${other}; }`] : [`split_clients $request_id $${name}_weight { ${Number(share.toFixed(2))}% ${other}; * ${own}; }`];
  const cookie = settings.cookie ? `map $cookie_${settings.cookie} $${name}_cookie { always ${other}; never ${own}; default $${name}_weight; }` : `map $request_id $${name}_cookie { default $${name}_weight; }`;
  const variable = `$http_${settings.header.replaceAll('-', '_')}`;
  const values = settings.headerValue ? `"${settings.headerValue}" ${other};` : settings.headerPattern ? `"~${settings.headerPattern.source}" ${other};` : `always ${other}; never ${own};`;
  const header = settings.header ? `map ${variable} $${name} { ${values} default $${name}_cookie; }` : `map $request_id $${name} { default $${name}_cookie; }`;
  return [...weight, cookie, header];
}
