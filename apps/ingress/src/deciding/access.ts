import type { Clock } from '@orrery/runtime';
import { cidrContains, parseCidr, parseIp } from '@orrery/vnet';
import type { BasicAuthSettings, LocationSettings } from '../annotations/settings.ts';
import type { ProxiedRequest } from '../proxy.ts';
import type { Backends } from '../routing/backends.ts';
import { headerOf } from './variables.ts';

export function within(ip: string, cidrs: readonly string[]): boolean {
  const parsed = parseIp(ip);
  if (!parsed) return false;
  return cidrs.some((text) => cidrContains(parseCidr(text), parsed));
}

/** Whether a source may come at all. */
export function sourceAllowed(ip: string, { allow, deny }: Pick<LocationSettings, 'allow' | 'deny'>): boolean {
  if (deny.length && within(ip, deny)) return false;
  return allow.length === 0 || within(ip, allow);
}

/** Compares a password with a line of a htpasswd file; an adapter knows the hashes. */
export type VerifyPassword = (password: string, hash: string) => Promise<boolean>;

function hashOf(secret: Readonly<Record<string, unknown>> | undefined, form: BasicAuthSettings['form'], user: string): string | undefined {
  const decode = (value: unknown): string => Buffer.from(String(value), 'base64').toString('utf8');
  if (!secret) return undefined;
  if (form === 'auth-map') return secret[user] === undefined ? undefined : decode(secret[user]).trim();
  const line = secret['auth'] === undefined ? undefined : decode(secret['auth']).split('\n').find((one) => one.startsWith(`${user}:`));
  return line?.slice(user.length + 1).trim();
}

/** The user of a request with valid basic credentials. */
export async function basicUser(request: ProxiedRequest, auth: BasicAuthSettings, deps: { backends: Backends; verify: VerifyPassword; clock: Clock }): Promise<string | undefined> {
  const [, encoded] = /^Basic\s+(\S+)$/i.exec(headerOf(request, 'authorization') ?? '') ?? [];
  if (!encoded) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  const [user, password] = [text.slice(0, colon), text.slice(colon + 1)];
  const [namespace = '', name = ''] = auth.secret.split('/');
  const hash = hashOf(deps.backends.secret(namespace, name)?.data as Readonly<Record<string, unknown>> | undefined, auth.form, user);
  return hash !== undefined && (await deps.verify(password, hash)) ? user : undefined;
}
