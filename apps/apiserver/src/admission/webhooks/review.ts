import type { KindDescriptor } from '@orrery/api';
import { isRecord, parseExactly } from '@orrery/apimachinery';
import type { AdmissionAttributes } from '../../pipeline/index.ts';
import { connectOptions } from './connect-options.ts';
import { convertTo, isOwnKind } from './version.ts';

export type ReviewVersion = 'v1' | 'v1beta1';

/** `request` of an AdmissionReview. */
export interface ReviewRequest {
  readonly uid: string;
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly [name: string]: unknown;
}

/** What a webhook answered, checked. */
export interface Verdict {
  readonly allowed: boolean;
  readonly status: Readonly<Record<string, unknown>>;
  /** Of mutating webhooks: the operations of a JSON patch. */
  readonly patch: unknown;
  readonly warnings: readonly string[];
  readonly auditAnnotations: Readonly<Record<string, string>>;
}

/** An answer that is not what was agreed; the message is upstream's. */
export class InvalidResponse extends Error {}
/** A patch that cannot be read. */
export class UndecodablePatch extends Error {}
/** A patch of a type that nobody knows. */
export class UnsupportedPatch extends Error {
  constructor(type: string) {
    super(`unsupported patch type ${JSON.stringify(type)}`);
  }
}

const optionKinds: Readonly<Record<string, string>> = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' };

const optionFields = ['gracePeriodSeconds', 'propagationPolicy', 'orphanDependents', 'preconditions', 'fieldManager', 'fieldValidation', 'force'];

/** Requests from inside the process carry options of their own making, without a kind. */
function optionsOf({ operation, options, dryRun }: AdmissionAttributes): unknown {
  const kind = options['kind'] ?? optionKinds[operation];
  if (operation === 'CONNECT' || !kind) return null;
  const given = optionFields.filter((name) => options[name] !== undefined).map((name) => [name, options[name]] as const);
  return { kind, apiVersion: 'meta.k8s.io/v1', ...Object.fromEntries(given), ...(dryRun ? { dryRun: ['All'] } : {}) };
}

/** The write as a webhook sees it that matched it as `kind`. */
export function reviewRequest(attributes: AdmissionAttributes, kind: KindDescriptor, uid: string): ReviewRequest {
  const { user, operation } = attributes;
  const connection = operation === 'CONNECT' ? connectOptions(attributes) : undefined;
  const objectKind = connection ? { group: '', version: 'v1', kind: connection.kind } : attributes.objectKind;
  const own = !connection && isOwnKind(attributes);
  const shown = (object: any): unknown => (own ? convertTo(object, attributes.kind, kind) : object) ?? null;
  const sub = attributes.subresource;
  const { group, version, kind: name } = own ? kind : objectKind;
  return {
    uid,
    kind: { group, version, kind: name },
    resource: { group: kind.group, version: kind.version, resource: kind.resource },
    ...(sub ? { subResource: sub } : {}),
    requestKind: { group: objectKind.group, version: objectKind.version, kind: objectKind.kind },
    requestResource: { group: attributes.kind.group, version: attributes.kind.version, resource: attributes.kind.resource },
    ...(sub ? { requestSubResource: sub } : {}),
    ...(attributes.name ? { name: attributes.name } : {}),
    ...(attributes.namespace ? { namespace: attributes.namespace } : {}),
    operation,
    userInfo: { username: user.username, ...(user.uid ? { uid: user.uid } : {}), groups: user.groups, ...(user.extra && Object.keys(user.extra).length ? { extra: user.extra } : {}) },
    object: connection ?? shown(attributes.object),
    // A connection's object is what it connects to, not a former state.
    oldObject: operation === 'CONNECT' ? null : shown(attributes.oldObject),
    dryRun: attributes.dryRun,
    options: optionsOf(attributes),
  };
}

/** The first version the webhook takes that we speak. */
export function reviewVersion(accepted: readonly string[]): ReviewVersion | undefined {
  return accepted.find((one): one is ReviewVersion => one === 'v1' || one === 'v1beta1');
}

type Response = Readonly<Record<string, unknown>>;

const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== '';

/** What a response to v1 may say of patches. */
function checkPatch({ patch, patchType }: Response, mutating: boolean): void {
  const hasType = patchType !== undefined && patchType !== null;
  if (!mutating) {
    if (isGiven(patch)) throw new InvalidResponse('validating webhook may not return response.patch');
    if (hasType) throw new InvalidResponse('validating webhook may not return response.patchType');
    return;
  }
  if (isGiven(patch) && !hasType) throw new InvalidResponse('webhook returned response.patch but not response.patchType');
  if (!isGiven(patch) && hasType) throw new InvalidResponse('webhook returned response.patchType but not response.patch');
  if (patchType === '') throw new InvalidResponse('webhook returned invalid response.patchType of ""');
}

/** v1beta1 knows one type of patch, whatever it says. */
function patchOf({ patch, patchType }: Response, version: ReviewVersion): unknown {
  if (!isGiven(patch)) return undefined;
  let operations: unknown;
  try {
    operations = parseExactly(Buffer.from(String(patch), 'base64').toString('utf8'));
  } catch (error) {
    throw new UndecodablePatch((error as Error).message);
  }
  if (version === 'v1' && patchType !== 'JSONPatch') throw new UnsupportedPatch(String(patchType));
  return operations;
}

function checkAgreed(review: Response, response: Response, uid: string): void {
  if (response['uid'] !== uid) throw new InvalidResponse(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response['uid'] ?? '')}`);
  const { apiVersion = '', kind = '' } = review;
  if (apiVersion !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview') {
    throw new InvalidResponse(`expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${String(apiVersion)}, Kind=${String(kind)}`);
  }
}

/** Checks an answer. Throws InvalidResponse, UndecodablePatch and UnsupportedPatch. */
export function readReview(review: unknown, expected: { version: ReviewVersion; uid: string; mutating: boolean }): Verdict {
  const response = isRecord(review) ? review['response'] : undefined;
  if (!isRecord(review) || !isRecord(response)) throw new InvalidResponse('webhook response was absent');
  if (expected.version === 'v1') {
    checkAgreed(review, response, expected.uid);
    checkPatch(response, expected.mutating);
  }
  const { status, warnings, auditAnnotations } = response;
  const allowed = response['allowed'] === true;
  return {
    allowed,
    status: isRecord(status) ? status : {},
    patch: expected.mutating && allowed ? patchOf(response, expected.version) : undefined,
    warnings: Array.isArray(warnings) ? warnings.map(String) : [],
    auditAnnotations: isRecord(auditAnnotations) ? (auditAnnotations as Record<string, string>) : {},
  };
}
