import { type ConfigSchema, buildInfo, flagName, rfc3339 } from '@orrery/runtime';
import { stringify as toYaml } from 'yaml';
import type { HttpHeaders } from './http-server.ts';

/** A whole reply, for whichever server gives it. */
export interface PageReply {
  readonly status: number;
  readonly headers: HttpHeaders;
  readonly body: string;
}

/** What /statusz says of a program. */
export interface ProgramStatus {
  /** As upstream names it: `kube-scheduler`. */
  readonly component: string;
  /** Milliseconds since the epoch. */
  readonly startedMs: number;
  readonly nowMs: number;
  /** Paths that it serves; shown by their first segment, without those that are no help in debugging. */
  readonly paths: readonly string[];
}

interface Clause {
  readonly type: string;
  readonly subtype: string;
  readonly quality: number;
  readonly parameters: ReadonlyMap<string, string>;
}

const group = 'config.k8s.io';
/** The newest first. Of several that are served all but that are deprecated. */
const versions = ['v1beta1', 'v1alpha1'] as const;
const served = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf', 'text/plain'] as const;
const warning = 'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.';
const plain = { 'content-type': 'text/plain; charset=utf-8' };

function clauseOf(text: string): Clause {
  const [media = '', ...rest] = text.split(';').map((part) => part.trim());
  const [type = '', subtype = ''] = media.toLowerCase().split('/');
  const parameters = new Map(rest.map((part) => [part.slice(0, part.indexOf('=')).trim().toLowerCase(), part.slice(part.indexOf('=') + 1).trim().replace(/^"|"$/g, '')]));
  return { type, subtype, quality: Number(parameters.get('q') ?? 1), parameters };
}

/** The clauses of an Accept header, the most wanted first. */
function clausesOf(accept: string): Clause[] {
  return accept.split(',').filter((part) => part.trim() !== '').map(clauseOf).sort((a, b) => b.quality - a.quality);
}

interface Choice {
  readonly mediaType: (typeof served)[number];
  /** Absent for text, which has none. */
  readonly version?: string;
}

/** What a client wants, among what there is: text, or the object of `kind` in one of its versions. Undefined: nothing of it. */
function choose(accept: string, kind: string): Choice | undefined {
  if (accept.trim() === '') return { mediaType: 'text/plain' };
  for (const { type, subtype, parameters } of clausesOf(accept)) {
    const [as, version, of] = [parameters.get('as'), parameters.get('v'), parameters.get('g')];
    const asked = as !== undefined || version !== undefined || of !== undefined;
    for (const mediaType of served) {
      const [ownType, ownSubtype] = mediaType.split('/');
      if ((type !== '*' && type !== ownType) || (subtype !== '*' && subtype !== ownSubtype)) continue;
      if (mediaType === 'text/plain' && !asked) return { mediaType };
      const isStructured = mediaType === 'application/json' || mediaType === 'application/yaml';
      if (isStructured && as === kind && of === group && versions.some((one) => one === version)) return { mediaType, version };
    }
  }
  return undefined;
}

const notAcceptable = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: `only the following media types are accepted: ${served.join(', ')}`,
  reason: 'NotAcceptable',
  code: 406,
};

/** As text, or as an object of config.k8s.io when `Accept` names one by `g`, `v` and `as`; 406 for all else. */
function page(accept: string | undefined, { kind, text, object }: { kind: 'Statusz' | 'Flagz'; text: () => string; object: () => object }): PageReply {
  const choice = choose(accept ?? '', kind);
  if (!choice) return { status: 406, headers: { 'content-type': 'application/json' }, body: `${JSON.stringify(notAcceptable)}\n` };
  const { mediaType, version } = choice;
  if (version === undefined) return { status: 200, headers: plain, body: text() };
  const whole = { kind, apiVersion: `${group}/${version}`, ...object() };
  const deprecated = version === versions[0] ? {} : { warning: `299 - "This version of the ${kind.toLowerCase()} endpoint is deprecated. Please use a newer version."` };
  return { status: 200, headers: { 'content-type': mediaType, ...deprecated }, body: mediaType === 'application/yaml' ? toYaml(whole) : `${JSON.stringify(whole)}\n` };
}

const two = (value: number): string => String(value).padStart(2, '0');

/** `Fri Nov 20 12:45:00 UTC 2026` */
function unixDate(ms: number): string {
  const [day = '', date = '', month = '', year = '', time = ''] = new Date(ms).toUTCString().replace(',', '').split(' ');
  return `${day} ${month} ${date.replace(/^0/, ' ')} ${time} UTC ${year}`;
}

const upTime = (seconds: number): string => `${Math.floor(seconds / 3600)} hr ${two(Math.floor(seconds / 60) % 60)} min ${two(seconds % 60)} sec`;

const noHelp = new Set(['/apis', '/api', '/openid', '/openapi', '/.well-known']);

function folders(paths: readonly string[]): string[] {
  const all = paths.map((path) => `/${path.split('/')[1] ?? ''}`);
  return [...new Set(all)].filter((folder) => folder !== '/' && !noHelp.has(folder)).sort();
}

/** /statusz: what runs here, and since when (k8s.io/apiserver/pkg/server/statusz). `accept` is the header of that name. */
export function statuszPage(accept: string | undefined, { component, startedMs, nowMs, paths }: ProgramStatus): PageReply {
  const uptimeSeconds = Math.max(0, Math.floor((nowMs - startedMs) / 1000));
  const { goVersion, gitVersion, major, minor } = buildInfo;
  const binaryVersion = gitVersion.slice(1);
  const emulationVersion = `${major}.${minor}`;
  const known = folders(paths);
  return page(accept, {
    kind: 'Statusz',
    object: () => ({ metadata: { name: component }, startTime: rfc3339(startedMs), uptimeSeconds, goVersion, binaryVersion, emulationVersion, paths: known }),
    text: () => {
      const lines = [`Started: ${unixDate(startedMs)}`, `Up: ${upTime(uptimeSeconds)}`, `Go version: ${goVersion}`, `Binary version: ${binaryVersion}`, `Emulation version: ${emulationVersion}`, `Paths: ${known.join(' ')}`];
      return `\n${component} statusz\n${warning}\n\n${lines.join('\n')}\n`;
    },
  });
}

/** Settings that are, or may hold, secrets or whole files. */
function shown(key: string, value: unknown): string {
  const text = Array.isArray(value) ? `[${value.join(',')}]` : String(value);
  return /-----BEGIN/.test(text) || (text !== '' && /^tokenAuth$|Key$/.test(key)) ? 'CLASSIFIED' : text;
}

/** Settings as flags, by their names; a `schema` leaves out what is no flag of the program. Files that hold keys are shown by name, keys themselves not. */
export function flagsOf(settings: Readonly<Record<string, unknown>>, schema?: ConfigSchema): Record<string, string> {
  const keys = Object.keys(settings).filter((key) => !schema || key in schema);
  return Object.fromEntries(keys.map((key) => [flagName(key).slice(2), shown(key, settings[key])] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** /flagz: the settings in effect (k8s.io/apiserver/pkg/server/flagz), by the names of their flags. */
export function flagzPage(accept: string | undefined, { component, flags }: { component: string; flags: Readonly<Record<string, string>> }): PageReply {
  return page(accept, {
    kind: 'Flagz',
    object: () => ({ metadata: { name: component }, flags }),
    text: () => `\n${component} flagz\n${warning}\n${Object.entries(flags).map(([name, value]) => `${name}=${value}\n`).join('')}`,
  });
}
