import { type Subject, StatusError, forbidden, qualifiedResource, unauthorized } from '@orrery/errors';
import type { HttpHeaders } from '@orrery/node-io/http-server';
import type { Authenticator, Credentials, Impersonator } from './authentication.ts';
import type { AuthorizationAttributes, Authorizer, Decision } from './authorization.ts';
import { type RequestInfo, type UserInfo, anonymousUser } from './request-info.ts';

/** Asks the authenticators in order; undefined when none knows the credentials. */
export function chainAuthenticators(authenticators: readonly Authenticator[]): (credentials: Credentials) => Promise<UserInfo | undefined> {
  return async (credentials) => {
    for (const authenticator of authenticators) {
      const user = await authenticator.authenticate(credentials);
      if (user) return user;
    }
    return undefined;
  };
}

/** Asks the authorizers in order. Without any, everything is allowed. */
export function chainAuthorizers(authorizers: readonly Authorizer[]): Authorizer['authorize'] {
  if (authorizers.length === 0) return () => ({ decision: 'allow', reason: '' });
  return (attributes) => decide(authorizers, attributes, 0, []);
}

function decide(authorizers: readonly Authorizer[], attributes: AuthorizationAttributes, from: number, reasons: string[]): Decision | Promise<Decision> {
  for (let i = from; i < authorizers.length; i++) {
    const answer = (authorizers[i] as Authorizer).authorize(attributes);
    if (answer instanceof Promise) {
      return answer.then((decision) => settled(decision, reasons) ?? decide(authorizers, attributes, i + 1, reasons));
    }
    const final = settled(answer, reasons);
    if (final) return final;
  }
  return { decision: 'noOpinion', reason: reasons.join('\n') };
}

function settled(decision: Decision, reasons: string[]): Decision | undefined {
  if (decision.decision === 'noOpinion') {
    if (decision.reason) reasons.push(decision.reason);
    return undefined;
  }
  return decision;
}

function action(user: UserInfo, info: RequestInfo): string {
  if (!info.isResource) return `User ${JSON.stringify(user.username)} cannot ${info.verb} path ${JSON.stringify(info.path)}`;
  const resource = info.subresource ? `${info.resource}/${info.subresource}` : info.resource;
  const where = info.namespace ? `in the namespace ${JSON.stringify(info.namespace)}` : 'at the cluster scope';
  return `User ${JSON.stringify(user.username)} cannot ${info.verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(info.group)} ${where}`;
}

/** 403 in upstream's words. */
export function forbiddenAction(user: UserInfo, info: RequestInfo, reason: string): StatusError {
  const why = reason ? `${action(user, info)}: ${reason}` : action(user, info);
  const subject: Subject = { group: info.group, resource: info.resource, ...(info.name ? { name: info.name } : {}) };
  if (!info.isResource) return new StatusError({ code: 403, reason: 'Forbidden', message: `forbidden: ${why}`, details: {} });
  if (info.name) return forbidden(subject, why);
  const message = `${qualifiedResource(subject)} is forbidden: ${why}`;
  return new StatusError({ code: 403, reason: 'Forbidden', message, details: { ...(info.group ? { group: info.group } : {}), kind: info.resource } });
}

export interface Access {
  readonly authenticate: (credentials: Credentials) => Promise<UserInfo | undefined>;
  readonly authorize: Authorizer['authorize'];
  readonly impersonator: Impersonator | undefined;
  /** May a request for this path come without credentials? */
  readonly allowsAnonymous: (path: string) => boolean;
  /** False: no authenticator is configured, so credentials cannot be wrong. */
  readonly checksCredentials: boolean;
}

/** Who sent a request. Throws 401 for bad or missing credentials. */
export async function authenticated(access: Access, credentials: Credentials, info: RequestInfo): Promise<UserInfo> {
  const known = await access.authenticate(credentials);
  if (!known && access.checksCredentials && !access.allowsAnonymous(info.path)) throw unauthorized();
  return known ?? anonymousUser;
}

/** Who a request of `user` acts as. Throws 403 for forbidden impersonation. */
export async function actingUser(access: Access, user: UserInfo, request: { headers: HttpHeaders; info: RequestInfo }): Promise<UserInfo> {
  return access.impersonator ? access.impersonator.impersonate({ user, ...request }) : user;
}

/** Who a request acts as. Throws 401 for bad or missing credentials, 403 for forbidden impersonation. */
export async function identify(access: Access, credentials: Credentials, info: RequestInfo): Promise<UserInfo> {
  return actingUser(access, await authenticated(access, credentials, info), { headers: credentials.headers, info });
}

/** What is asked of the authorizers, and where the answer is recorded. */
export interface CheckedRequest extends AuthorizationAttributes {
  annotate?(key: string, value: string): void;
}

/** Throws 403 unless the request may go on. Nothing to wait for where all authorizers answer at once. */
export function checkAllowed(access: Access, request: CheckedRequest): Promise<void> | void {
  const decision = access.authorize(request);
  return decision instanceof Promise ? decision.then((answer) => heed(request, answer)) : heed(request, decision);
}

function heed({ annotate, user, info }: CheckedRequest, { decision, reason }: Decision): void {
  annotate?.('authorization.k8s.io/decision', decision === 'allow' ? 'allow' : 'forbid');
  annotate?.('authorization.k8s.io/reason', reason);
  if (decision !== 'allow') throw forbiddenAction(user, info, reason);
}

/** Throws 403 unless who may change an object may also create it. The answer has upstream's bare words. */
export async function checkMayCreate(access: Access, attributes: AuthorizationAttributes): Promise<void> {
  const info = { ...attributes.info, verb: 'create' };
  const decision = await access.authorize({ ...attributes, info });
  if (decision.decision !== 'allow') throw forbidden({ group: info.group, resource: info.resource, name: info.name }, decision.reason);
}
