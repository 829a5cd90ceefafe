import { toStatusError } from '@orrery/errors';
import type { Clock, Random } from '@orrery/runtime';
import type { Auditor, AuditTrail } from './audit.ts';
import type { RequestInfo, UserInfo } from './request-info.ts';

/** The audit record of a request that did not come by URL, and its annotations. */
export interface CallRecord {
  readonly trail: AuditTrail;
  annotate(key: string, value: string): void;
}

export interface CallStart {
  readonly user: UserInfo;
  readonly info: RequestInfo;
  readonly sourceIps: readonly string[];
  readonly userAgent: string;
}

/** Begins the record of a request; undefined when the policy wants none. Throws 500 where nothing may happen unrecorded. */
export async function beginCall(auditor: Auditor, { clock, random }: { clock: Clock; random: Random }, start: CallStart): Promise<CallRecord | undefined> {
  const annotations: Record<string, string> = {};
  const { path, verb } = start.info;
  const trail = await auditor.begin({ ...start, auditId: random.uuid(), uri: path, receivedMs: clock.now(), isLongRunning: verb === 'watch', annotations });
  return trail && { trail, annotate: (key, value) => void (annotations[key] ??= value) };
}

/** Ends a record with a failure. */
export function failCall(trail: AuditTrail | undefined, error: unknown): void {
  if (!trail) return;
  const { status, code } = toStatusError(error);
  trail.failed(status);
  trail.completed(code);
}

/** Runs what a record is about and ends it with the outcome; without a record, just runs. */
export function recorded<T>(trail: AuditTrail | undefined, run: () => Promise<T>, outcome: (result: T) => { readonly code: number; readonly body?: Uint8Array | object | undefined }): Promise<T> {
  return trail ? record(trail, run, outcome) : run();
}

async function record<T>(trail: AuditTrail, run: () => Promise<T>, outcome: (result: T) => { readonly code: number; readonly body?: Uint8Array | object | undefined }): Promise<T> {
  try {
    const result = await run();
    const { code, body } = outcome(result);
    if (body) trail.response(body);
    trail.completed(code);
    return result;
  } catch (error) {
    failCall(trail, error);
    throw error;
  }
}
