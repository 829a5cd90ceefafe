import type { KindDescriptor } from '@orrery/api';
import { StatusError, badRequest, internalError } from '@orrery/errors';
import type { AdmissionAttributes } from '../../pipeline/index.ts';
import type { Caller } from './caller.ts';
import type { Hook } from './hook.ts';
import { InvalidResponse, type ReviewRequest, UndecodablePatch, UnsupportedPatch, type Verdict, readReview, reviewVersion } from './review.ts';

/** The webhook could not be asked or gave no proper answer: what failurePolicy is about. */
export class CallFailure extends Error {
  readonly code: number;

  constructor(hook: Hook, options: { reason: string; code: number }) {
    super(`failed calling webhook ${JSON.stringify(hook.webhook.name)}: ${options.reason}`);
    this.code = options.code;
  }
}

/** The webhook said no. */
export class Rejection extends Error {
  readonly status: StatusError;

  constructor(status: StatusError) {
    super(status.message);
    this.status = status;
  }
}

/** As which kind the webhook sees the write, and the request it is shown. */
export interface Invocation {
  readonly hook: Hook;
  readonly kind: KindDescriptor;
  readonly request: ReviewRequest;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A refusal in the webhook's own words, with its code (400 if it names no failure). */
export function rejectionOf({ webhook }: Hook, status: Verdict['status']): StatusError {
  const { message, reason, code, details } = status;
  const why = text(message) || text(reason);
  const by = `admission webhook ${JSON.stringify(webhook.name)} denied the request`;
  return new StatusError({
    code: typeof code === 'number' && code >= 400 ? code : 400,
    message: why ? `${by}: ${why}` : `${by} without explanation`,
    ...(text(reason) ? { reason: text(reason) } : {}),
    ...(details ? { details } : {}),
  });
}

function checkDryRun({ webhook }: Hook, attributes: AdmissionAttributes): void {
  if (!attributes.dryRun || webhook.sideEffects === 'None' || webhook.sideEffects === 'NoneOnDryRun') return;
  throw badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`);
}

async function answer({ hook, request }: Invocation, options: { caller: Caller; mutating: boolean }): Promise<Verdict> {
  const { webhook } = hook;
  const version = reviewVersion(webhook.admissionReviewVersions ?? []);
  if (!version) throw new CallFailure(hook, { reason: 'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)', code: 400 });
  const body = { kind: 'AdmissionReview', apiVersion: `admission.k8s.io/${version}`, request };
  let reply: unknown;
  try {
    reply = await options.caller({ config: webhook.clientConfig, timeoutSeconds: webhook.timeoutSeconds ?? 10, body });
  } catch (error) {
    throw new CallFailure(hook, { reason: `failed to call webhook: ${(error as Error).message}`, code: error instanceof StatusError ? error.code : 503 });
  }
  try {
    return readReview(reply, { version, uid: request.uid, mutating: options.mutating });
  } catch (error) {
    if (error instanceof InvalidResponse) throw new CallFailure(hook, { reason: `received invalid webhook response: ${error.message}`, code: 503 });
    if (error instanceof UndecodablePatch) throw new CallFailure(hook, { reason: `received undecodable patch in webhook response: ${error.message}`, code: 503 });
    if (error instanceof UnsupportedPatch) throw new CallFailure(hook, { reason: error.message, code: 400 });
    throw error;
  }
}

/** Asks one webhook. Throws CallFailure, Rejection, or a StatusError that no failurePolicy excuses. */
export async function callHook(invocation: Invocation, attributes: AdmissionAttributes, options: { caller: Caller; mutating: boolean }): Promise<Verdict> {
  const { hook } = invocation;
  checkDryRun(hook, attributes);
  const verdict = await answer(invocation, options);
  for (const [key, value] of Object.entries(verdict.auditAnnotations)) attributes.annotate(`${hook.webhook.name}/${key}`, value);
  for (const warning of verdict.warnings) attributes.warn(warning);
  if (!verdict.allowed) throw new Rejection(rejectionOf(hook, verdict.status));
  return verdict;
}

/** What the client is told of a webhook that failed closed, refused, or broke a rule. */
export function refusalOf(error: unknown): unknown {
  if (error instanceof CallFailure) return internalError(error);
  return error instanceof Rejection ? error.status : error;
}
