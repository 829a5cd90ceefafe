import type { Status } from '@orrery/errors';
import { rfc3339Micro } from '@orrery/runtime';
import type { UserInfo } from '../pipeline/request-info.ts';
import type { Level, Stage } from './policy.ts';

export interface ObjectReference {
  resource?: string;
  namespace?: string;
  name?: string;
  uid?: string;
  apiGroup?: string;
  apiVersion?: string;
  resourceVersion?: string;
  subresource?: string;
}

/** JSON that is already encoded. */
export type Json = Buffer | string;

/** One audit.k8s.io/v1 Event; never changed once made. Bodies are shared with the request that they belong to. */
export interface AuditEvent {
  readonly level: Level;
  readonly auditID: string;
  readonly stage: Stage;
  readonly requestURI: string;
  readonly verb: string;
  readonly user: UserInfo | undefined;
  readonly impersonatedUser: UserInfo | undefined;
  readonly sourceIPs: readonly string[];
  readonly userAgent: string;
  readonly objectRef: Readonly<ObjectReference> | undefined;
  readonly responseStatus: Partial<Status> | undefined;
  readonly requestObject: Json | undefined;
  readonly responseObject: Json | undefined;
  readonly receivedMs: number;
  readonly stageMs: number;
  readonly annotations: Readonly<Record<string, string>>;
}

function userJson(user: UserInfo | undefined): object {
  const { username = '', uid = '', groups = [], extra = {} } = user ?? {};
  return {
    ...(username ? { username } : {}),
    ...(uid ? { uid } : {}),
    ...(groups.length ? { groups } : {}),
    ...(Object.keys(extra).length ? { extra } : {}),
  };
}

const given = (name: string, value: string): object => (value ? { [name]: value } : {});

const tail = Buffer.from('}');

function addBody(parts: Buffer[], name: string, body: Json | undefined): void {
  if (body === undefined) return;
  parts.push(Buffer.from(`,"${name}":`), typeof body === 'string' ? Buffer.from(body) : body);
}

/** The event as one JSON object in upstream's order of fields, without a line break; bodies are spliced in as they are. */
export function encodeEvent(event: AuditEvent): Buffer {
  const { objectRef, responseStatus, annotations } = event;
  const head = {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: event.level,
    auditID: event.auditID,
    stage: event.stage,
    requestURI: event.requestURI,
    verb: event.verb,
    user: userJson(event.user),
    ...(event.impersonatedUser ? { impersonatedUser: userJson(event.impersonatedUser) } : {}),
    ...(event.sourceIPs.length ? { sourceIPs: event.sourceIPs } : {}),
    ...given('userAgent', event.userAgent),
    ...(objectRef ? { objectRef } : {}),
    ...(responseStatus ? { responseStatus: { metadata: {}, ...responseStatus } } : {}),
  };
  const times = {
    requestReceivedTimestamp: rfc3339Micro(event.receivedMs),
    stageTimestamp: rfc3339Micro(event.stageMs),
    ...(Object.keys(annotations).length ? { annotations } : {}),
  };
  const parts = [Buffer.from(JSON.stringify(head).slice(0, -1))];
  addBody(parts, 'requestObject', event.requestObject);
  addBody(parts, 'responseObject', event.responseObject);
  parts.push(Buffer.from(`,${JSON.stringify(times).slice(1, -1)}`), tail);
  return Buffer.concat(parts);
}

const quoted = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(',');

/** The one-line form of `--audit-log-format=legacy`. */
export function legacyLine(event: AuditEvent): string {
  const { user, impersonatedUser: as, responseStatus } = event;
  const groups = user?.groups.length ? quoted(user.groups) : '"<none>"';
  const asGroups = as?.groups.length ? quoted(as.groups) : '"<lookup>"';
  const fields = {
    id: event.auditID,
    stage: event.stage,
    ip: event.sourceIPs[0] ?? '<unknown>',
    method: event.verb,
    user: user?.username || '<none>',
  };
  const first = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(' ');
  const last = {
    'user-agent': event.userAgent,
    namespace: event.objectRef?.namespace || '<none>',
    uri: event.requestURI,
    response: responseStatus?.code ? String(responseStatus.code) : '<deferred>',
  };
  const rest = Object.entries(last).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(' ');
  return `${rfc3339Micro(event.receivedMs)} AUDIT: ${first} groups=${groups} as=${JSON.stringify(as?.username || '<self>')} asgroups=${asGroups} ${rest}`;
}
