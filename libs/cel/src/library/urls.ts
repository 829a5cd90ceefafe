import { compareOpaqueBy } from '../eval/equality.ts';
import { stringType, listType } from '../types.ts';
import { CelError, CelOpaque, JsonMap, type CelMap } from '../values.ts';
import { library } from './signature.ts';

const typeName = 'kubernetes.URL';

/** A URL as Go's ParseRequestURI takes it apart: fragments are part of the path. */
export interface ParsedUrl {
  readonly text: string;
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
}

/** What Go says is wrong. */
export class UrlError extends Error {}

const badEscape = /%(?![0-9a-fA-F]{2})/;
const problem = (text: string, what: string): UrlError => new UrlError(`parse ${JSON.stringify(text)}: ${what}`);

function checkHost(text: string, authority: string): string {
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const [, port] = /^(?:\[[^\]]*\]|[^:]*)(:.*)?$/.exec(host) ?? [];
  if (host.startsWith('[') && !host.includes(']')) throw problem(text, "missing ']' in host");
  const after = host.startsWith('[') ? host.slice(host.indexOf(']') + 1) : (port ?? '');
  if (after !== '' && !/^:\d*$/.test(after)) throw problem(text, `invalid port ${JSON.stringify(after)} after host`);
  const odd = /[\s"<>\\^`{|}]/.exec(host)?.[0];
  if (odd !== undefined) throw problem(text, `invalid character ${JSON.stringify(odd)} in host name`);
  return host;
}

/** Throws UrlError. */
export function parseUrl(text: string): ParsedUrl {
  if (/[\u0000-\u001f\u007f]/.test(text)) throw problem(text, 'net/url: invalid control character in URL');
  if (text === '') throw problem(text, 'empty url');
  const [, scheme = '', afterScheme = text] = /^([a-zA-Z][a-zA-Z0-9+.-]*):(.*)$/s.exec(text) ?? [];
  if (scheme === '' && text.startsWith(':')) throw problem(text, 'missing protocol scheme');
  const cut = afterScheme.indexOf('?');
  const rest = cut < 0 ? afterScheme : afterScheme.slice(0, cut);
  const query = cut < 0 ? '' : afterScheme.slice(cut + 1);
  const common = { text, scheme: scheme.toLowerCase(), query };
  if (!rest.startsWith('/')) {
    if (scheme === '') throw problem(text, 'invalid URI for request');
    return { ...common, host: '', path: '' };
  }
  const hasAuthority = scheme !== '' && rest.startsWith('//');
  const end = hasAuthority ? rest.indexOf('/', 2) : 0;
  const authority = hasAuthority ? rest.slice(2, end < 0 ? undefined : end) : '';
  const path = end < 0 ? '' : rest.slice(end);
  const escape = badEscape.exec(path);
  if (escape) throw problem(text, `invalid URL escape ${JSON.stringify(path.slice(escape.index, escape.index + 3))}`);
  return { ...common, host: checkHost(text, authority), path };
}

function decode(text: string): string {
  const bytes = Buffer.from(text.replaceAll('+', ' '));
  const out: number[] = [];
  for (let i = 0; i < bytes.length; i += 1) {
    const code = bytes[i] === 37 ? Number.parseInt(bytes.toString('latin1', i + 1, i + 3), 16) : Number.NaN;
    out.push(Number.isNaN(code) ? (bytes[i] as number) : code);
    if (!Number.isNaN(code)) i += 2;
  }
  return Buffer.from(out).toString();
}

function queryOf({ query }: ParsedUrl): CelMap {
  const found = new Map<string, string[]>();
  for (const pair of query.split('&')) {
    if (pair === '' || pair.includes(';') || badEscape.test(pair)) continue;
    const [key = '', ...value] = pair.split('=');
    const name = decode(key);
    found.set(name, [...(found.get(name) ?? []), decode(value.join('='))]);
  }
  return new JsonMap(Object.fromEntries(found), listType(stringType));
}

function escapedPath({ path }: ParsedUrl): string {
  if (/^(?:[A-Za-z0-9\-_.~!$&'()*+,;=:@/[\]]|%[0-9a-fA-F]{2})*$/.test(path)) return path;
  const plain = decode(path.replaceAll('+', '%2B'));
  return [...Buffer.from(plain)].map((byte) => (/[A-Za-z0-9\-_.~$&+,/:;=@]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)).join('');
}

const of = ({ value }: CelOpaque): ParsedUrl => value as ParsedUrl;
const portOf = (host: string): string => /:(\d*)$/.exec(host.replace(/^\[[^\]]*\]/, ''))?.[1] ?? '';
const nameOf = (host: string): string => (host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host.replace(/:\d*$/, ''));

function parsed(text: string): CelOpaque {
  try {
    return new CelOpaque({ typeName, value: parseUrl(text) });
  } catch (error) {
    if (error instanceof UrlError) throw new CelError(`URL parse error during conversion from string: ${error.message}`);
    throw error;
  }
}

/** Undefined when it is a URL, else what Go says is wrong. */
export function urlProblem(text: string): string | undefined {
  try {
    parseUrl(text);
    return undefined;
  } catch (error) {
    if (error instanceof UrlError) return error.message;
    throw error;
  }
}

compareOpaqueBy(typeName, (a, b) => (a as ParsedUrl).text === (b as ParsedUrl).text);

export const urlsLibrary = library({
  url: [[`(string) ${typeName}`, parsed]],
  isURL: [['(string) bool', (text: string) => urlProblem(text) === undefined]],
  getScheme: [[`${typeName}.() string`, (url: CelOpaque) => of(url).scheme]],
  getHost: [[`${typeName}.() string`, (url: CelOpaque) => of(url).host]],
  getHostname: [[`${typeName}.() string`, (url: CelOpaque) => nameOf(of(url).host)]],
  getPort: [[`${typeName}.() string`, (url: CelOpaque) => portOf(of(url).host)]],
  getEscapedPath: [[`${typeName}.() string`, (url: CelOpaque) => escapedPath(of(url))]],
  getQuery: [[`${typeName}.() map(string, list(string))`, (url: CelOpaque) => queryOf(of(url))]],
});
