import type { BusMessage } from './bus.ts';

/** How often a publisher says that it is alive. Three of them missed, and it is taken for dead. */
export const feedHeartbeatMs = 2_000;
/** `feed.heartbeat.PUBLISHER`, empty; headers `publisher` and `base`. */
export const feedHeartbeats = 'feed.heartbeat.*';
/** Asks every publisher for a mark: header `subject` (where the mark is wanted) and `version` of the resource. */
export const feedQuestions = 'feed.ask';
/** The slice that marks of a whole resource go to; no namespace or node is called that. */
export const wholeSlice = '~';

/** A subject token: never empty, without dots, blanks and wildcards. Two names may share one: receivers check objects. */
export function feedToken(text: string): string {
  return text === '' ? '_' : text.replace(/[.\s*>]/g, '-');
}

/** `feed.core.pods`, `feed.apps.deployments`; what follows is the slice: the node of a pod, the namespace of anything else. */
export function feedSubject(resource: { readonly group: string; readonly resource: string }): string {
  return `feed.${resource.group === '' ? 'core' : feedToken(resource.group)}.${feedToken(resource.resource)}`;
}

/** The field whose value is the slice, where that is not the namespace. */
export function feedSliceField(resource: { readonly group: string; readonly resource: string }): string | undefined {
  return resource.group === '' && resource.resource === 'pods' ? 'spec.nodeName' : undefined;
}

/** Whose contents would lie open on the bus: they are watched over gRPC, where every reader is authorized. */
export function feedExcludes(resource: { readonly group: string; readonly resource: string }): boolean {
  return resource.group === '' && resource.resource === 'secrets';
}

/**
 * `event`: the change is the payload (the line of a REST watch). `mark`: no payload, no change. `withheld`: there was a
 * change that the feed does not carry (too big, or not expressible for this slice).
 */
export type FactContent = 'event' | 'mark' | 'withheld';

/**
 * One message of the feed: between the revisions `after` (exclusive) and `revision` (inclusive) a resource, or a slice of
 * it, had exactly one change, at `revision`; of a mark: none. That holds whoever says it and whenever it arrives, so
 * what is lost, doubled or out of order can slow a follower down but not mislead it.
 */
export interface FeedFact {
  readonly publisher: string;
  readonly version: string;
  readonly after: number;
  readonly revision: number;
  readonly content: FactContent;
  /** The object was not in this slice before: its followers see ADDED. */
  readonly entered: boolean;
  readonly payload: Uint8Array;
}

/** Revisions that the change follows, among all of its resource and in its slice. Slice marks say nothing of the whole. */
export interface FactHeaders {
  readonly publisher: string;
  readonly version: string;
  readonly revision: number;
  readonly content: FactContent;
  readonly entered?: boolean;
  readonly afterInSlice?: number;
  readonly afterInWhole?: number;
}

export function encodeFact(fact: FactHeaders): Record<string, string> {
  const { publisher, version, revision, content, entered, afterInSlice, afterInWhole } = fact;
  return {
    publisher,
    version,
    revision: String(revision),
    content,
    ...(entered ? { entered: 'true' } : {}),
    ...(afterInSlice === undefined ? {} : { 'after-in-slice': String(afterInSlice) }),
    ...(afterInWhole === undefined ? {} : { 'after-in-whole': String(afterInWhole) }),
  };
}

/** What a message tells followers of a slice or of the whole resource; undefined for nothing, or for what is no fact. */
export function decodeFact(message: BusMessage, scope: 'slice' | 'whole'): FeedFact | undefined {
  const { publisher, version, revision, content, entered } = message.headers;
  const after = message.headers[scope === 'slice' ? 'after-in-slice' : 'after-in-whole'];
  if (!publisher || !version || after === undefined || (content !== 'event' && content !== 'mark' && content !== 'withheld')) return undefined;
  const numbers = { after: Number(after), revision: Number(revision) };
  if (!Number.isSafeInteger(numbers.after) || !Number.isSafeInteger(numbers.revision)) return undefined;
  return { publisher, version, ...numbers, content, entered: entered === 'true', payload: message.payload };
}
