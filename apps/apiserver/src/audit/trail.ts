import type { Status } from '@orrery/errors';
import { isRecord, type KubeObject } from '@orrery/apimachinery';
import type { AuditTrail, AuditedRequest } from '../pipeline/audit.ts';
import type { UserInfo } from '../pipeline/request-info.ts';
import type { AuditEvent, Json, ObjectReference } from './event.ts';
import type { Stage, Verdict } from './policy.ts';

const maxUserAgent = 1024;

function referenceOf({ info }: AuditedRequest): ObjectReference | undefined {
  if (!info.isResource) return undefined;
  const { resource, namespace, name, group, version, subresource } = info;
  return {
    resource,
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    ...(group ? { apiGroup: group } : {}),
    ...(version ? { apiVersion: version } : {}),
    ...(subresource ? { subresource } : {}),
  };
}

/** Adds what the body tells and the URL did not, keeping upstream's order of fields. */
function completed(reference: ObjectReference, { metadata = {} }: KubeObject): ObjectReference {
  const { resource = '', namespace = metadata.namespace, name = metadata.name, apiGroup, apiVersion, subresource } = reference;
  const uid = reference.uid ?? metadata.uid;
  const resourceVersion = reference.resourceVersion ?? metadata.resourceVersion;
  return {
    ...(resource ? { resource } : {}),
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    ...(uid ? { uid } : {}),
    ...(apiGroup ? { apiGroup } : {}),
    ...(apiVersion ? { apiVersion } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
    ...(subresource ? { subresource } : {}),
  };
}

function withoutManagedFields(value: unknown): unknown {
  if (!isRecord(value)) return value;
  const { metadata, items } = value;
  const bare = isRecord(metadata) && 'managedFields' in metadata ? { ...value, metadata: { ...metadata, managedFields: undefined } } : value;
  return Array.isArray(items) ? { ...bare, items: items.map(withoutManagedFields) } : bare;
}

/** A Status as an answer: the event then tells of it even where bodies are not recorded. */
function statusIn(body: Uint8Array | object): Partial<Status> | undefined {
  const isBytes = body instanceof Uint8Array;
  if (isBytes && !/^\{"kind":"Status"|^\{\s*"kind": "Status"/.test(Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, 64)).toString('latin1'))) return undefined;
  const object = (isBytes ? JSON.parse(Buffer.from(body).toString('utf8')) : body) as Partial<Status>;
  return object.kind === 'Status' && object.apiVersion === 'v1' ? object : undefined;
}

function responseStatusOf(status: Partial<Status>, code: number): Partial<Status> {
  const { status: outcome, message, reason, details } = status;
  return { ...(outcome ? { status: outcome } : {}), ...(message ? { message } : {}), ...(reason ? { reason } : {}), ...(details ? { details } : {}), code };
}

/** What changed an object is part of its body, so it is recorded from level Request on. */
function withoutBodies(annotations: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !key.startsWith('patch.webhook.admission.k8s.io/')));
}

/** One request's record: what is known so far, and an event for every stage that the policy wants. */
export class Trail implements AuditTrail {
  private readonly sent: AuditedRequest;
  private readonly verdict: Verdict;
  private readonly emit: (event: AuditEvent) => void | Promise<void>;
  private readonly clock: { now(): number };
  private readonly userAgent: string;
  private reference: ObjectReference | undefined;
  private impersonated: UserInfo | undefined;
  private requestObject: Json | undefined;
  private answer: Uint8Array | object | undefined;
  private status: Partial<Status> | undefined;
  private hasStarted = false;

  constructor(request: AuditedRequest, options: { verdict: Verdict; clock: { now(): number }; emit: (event: AuditEvent) => void | Promise<void> }) {
    this.sent = request;
    this.verdict = options.verdict;
    this.emit = options.emit;
    this.clock = options.clock;
    this.reference = referenceOf(request);
    const { userAgent } = request;
    this.userAgent = userAgent.length > maxUserAgent ? `${userAgent.slice(0, maxUserAgent)}...TRUNCATED` : userAgent;
  }

  get wantsResponse(): boolean {
    return this.verdict.level === 'RequestResponse';
  }

  received(): void | Promise<void> {
    return this.stage('RequestReceived');
  }

  actsAs(user: UserInfo): void {
    if (user !== this.sent.user) this.impersonated = user;
  }

  request(object: object): void {
    if (this.reference) this.reference = completed(this.reference, object);
    if (!this.hasRequest) return;
    this.requestObject = this.encode(object);
  }

  patch(patch: unknown): void {
    if (this.hasRequest) this.requestObject = JSON.stringify(patch);
  }

  response(body: Uint8Array | object): void {
    this.status = statusIn(body) ?? this.status;
    if (this.wantsResponse) this.answer = body;
  }

  failed(status: Status): void {
    this.response(status);
    if (this.sent.isLongRunning) this.started(status.code);
  }

  started(code: number): void {
    if (this.hasStarted) return;
    this.hasStarted = true;
    this.status = responseStatusOf(this.status ?? {}, code);
    if (this.sent.isLongRunning) void this.stage('ResponseStarted');
  }

  completed(code: number): void {
    if (code === 0) {
      // Nothing was ever sent: the client was gone before.
      this.status = { status: 'Success', message: 'Connection closed early', code: 200 };
      if (this.sent.isLongRunning && !this.hasStarted) void this.stage('ResponseStarted');
    } else {
      // An answer that another server gave has begun without a word.
      this.started(code);
      this.status = responseStatusOf(this.status ?? {}, code);
    }
    void this.stage('ResponseComplete');
  }

  panicked(message: string): void {
    this.status = { status: 'Failure', message: `APIServer panic'd: ${message}`, reason: 'InternalError', code: 500 };
    void this.stage('Panic');
  }

  /** The record of a request whose sender could not be authenticated: this one event. */
  refused(status: Status): void {
    this.status = responseStatusOf(status, status.code);
    void this.stage('ResponseStarted');
  }

  private get hasRequest(): boolean {
    return this.verdict.level === 'Request' || this.verdict.level === 'RequestResponse';
  }

  private encode(value: unknown): string {
    return JSON.stringify(this.verdict.omitManagedFields ? withoutManagedFields(value) : value);
  }

  private get responseObject(): Json | undefined {
    const { answer } = this;
    if (answer === undefined) return undefined;
    if (!(answer instanceof Uint8Array)) return this.encode(answer);
    const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
    if (this.verdict.omitManagedFields && bytes.includes('"managedFields"')) return this.encode(JSON.parse(bytes.toString('utf8')));
    // A list ends with a line break, which would break the lines of the log.
    return bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
  }

  private stage(stage: Stage): void | Promise<void> {
    if (this.verdict.omitStages.has(stage)) return undefined;
    const { auditId, uri, info, user, sourceIps, receivedMs, annotations } = this.sent;
    const isOver = stage === 'ResponseComplete' || stage === 'Panic';
    return this.emit({
      level: this.verdict.level,
      auditID: auditId,
      stage,
      requestURI: uri,
      verb: info.verb,
      user,
      impersonatedUser: this.impersonated,
      sourceIPs: sourceIps,
      userAgent: this.userAgent,
      objectRef: this.reference,
      responseStatus: this.status,
      requestObject: this.requestObject,
      responseObject: isOver ? this.responseObject : undefined,
      receivedMs,
      stageMs: this.clock.now(),
      annotations: this.hasRequest ? { ...annotations } : withoutBodies(annotations),
    });
  }
}
