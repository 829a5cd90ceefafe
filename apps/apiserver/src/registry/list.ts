import { decodeContinue, encodeContinue, parseResourceVersion } from '@orrery/apimachinery';
import { type FieldError, badRequest, expired, fieldError, invalid, isExpired } from '@orrery/errors';
import type { KindDescriptor } from '@orrery/api';
import { convertEntries, isConverted } from '../cache/conversion.ts';
import { type Entry, entryFromStored } from '../cache/entry.ts';
import type { ResourceCache, Snapshot } from '../cache/resource-cache.ts';
import { type Selection, selects } from '../cache/selection.ts';
import { faultedRequest } from '../chaos/faulted.ts';
import { checkWanted } from '../pipeline/out-of-time.ts';
import { unreadableList } from '../storage/errors.ts';
import { type StoredValue, isTooLargeVersion, tooLargeVersion } from '../storage/etcd-store.ts';
import type { Registry, RequestScope } from './registry.ts';
import { selectionOf } from './selection.ts';

export interface ListOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
  readonly sendInitialEvents?: boolean;
}

export interface ListResult {
  readonly entries: readonly Entry[];
  readonly resourceVersion: number;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

const inconsistentText =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
  'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
  'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
  'deleted between the time the first chunk was returned and now may show up in the list.';

function checkOptions(options: ListOptions): void {
  const { resourceVersion = '', resourceVersionMatch: match = '' } = options;
  const errors: FieldError[] = [];
  const refuse = (field: string, why: string): void => void errors.push(fieldError.forbidden(field, why));
  if (match !== '') {
    if (resourceVersion === '') refuse('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided');
    if (options.continue) refuse('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided');
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      errors.push(fieldError.notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
    }
    if (match === 'Exact' && resourceVersion === '0') {
      refuse('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
    }
  }
  if (options.sendInitialEvents !== undefined) refuse('sendInitialEvents', 'sendInitialEvents is forbidden for list');
  if (errors.length) throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions', name: '' }, errors);
}

/** GET of a collection; see upstream's table of resourceVersion semantics. */
export async function list(registry: Registry, scope: RequestScope, given: ListOptions): Promise<ListResult> {
  checkOptions(given);
  const options = registry.faults.active ? asOfFault(registry, scope, given) : given;
  const { kind, info } = scope;
  const selection = selectionOf(kind, { ...options, namespace: info.namespace });
  const cache = registry.feed.cache(kind);
  cache.checkReadable();
  const result = await listOf(registry, { kind, cache, selection, options, scope });
  if (isConverted(kind)) await convertEntries(kind, result.entries);
  return kind.storedAs ? { ...result, entries: result.entries.map((entry) => entry.view(kind)) } : result;
}

/** What is asked for without a version is answered as it was, where a fault wants it so. */
function asOfFault(registry: Registry, scope: RequestScope, options: ListOptions): ListOptions {
  if (options.continue || (options.resourceVersion ?? '') !== '') return options;
  const revision = registry.faults.staleRevision(faultedRequest(scope));
  return revision === undefined ? options : { ...options, resourceVersion: String(revision), resourceVersionMatch: 'Exact' };
}

interface Listing {
  readonly kind: KindDescriptor;
  readonly cache: ResourceCache;
  readonly selection: Selection;
  readonly options: ListOptions;
  readonly scope: Pick<RequestScope, 'signal'>;
}

/** Of a snapshot. Where selectors see what a webhook makes of the objects, all in scope are converted first. */
async function pageOf({ kind, selection }: Listing, source: Pick<Snapshot, 'page'>, at: { after?: string; limit?: number }): Promise<ReturnType<Snapshot['page']>> {
  if (isConverted(kind) && selection.matches) {
    const { matches: _matches, ...scope } = selection;
    await convertEntries(kind, source.page(scope, {}).entries);
  }
  return source.page(selection, at);
}

/** A page of the current state, which is held for the pages to come; of converted kinds at once, as it may change meanwhile. */
async function currentPage(registry: Registry, listing: Listing, at: { after?: string; limit?: number }): Promise<ListResult> {
  const { kind, cache, selection } = listing;
  const { revision } = registry.feed;
  if (isConverted(kind)) return withContinue(await pageOf(listing, registry.snapshots.hold(cache, revision), at), revision, selection);
  const page = cache.page(selection, at);
  if (page.more) registry.snapshots.hold(cache, revision);
  return withContinue(page, revision, selection);
}

/**
 * Resolves when the cache is as new as asked; a consistent list that it is late for is read from the store, at the revision returned
 * (upstream's fall-back of consistent reads).
 */
async function awaitFreshness(registry: Registry, version: number | undefined): Promise<number | undefined> {
  const wanted = version ?? (await registry.store.currentRevision());
  try {
    await registry.feed.waitFor(wanted);
    return undefined;
  } catch (error) {
    if (version === undefined && isTooLargeVersion(error)) return wanted;
    throw error;
  }
}

async function listOf(registry: Registry, listing: Listing): Promise<ListResult> {
  const { cache, selection, options } = listing;
  const version = options.resourceVersion ? parseResourceVersion(options.resourceVersion) : undefined;
  if (options.continue) {
    if (version !== undefined && version !== 0) throw badRequest('specifying resource version is not allowed when using continue');
    return continued(registry, listing, decodeContinue(options.continue));
  }
  const limit = options.limit ?? 0;
  const exact = options.resourceVersionMatch === 'Exact' || (version !== undefined && version > 0 && limit > 0 && !options.resourceVersionMatch);
  if (exact && version !== undefined) return atRevision(registry, listing, { revision: version, limit });
  const late = await awaitFreshness(registry, version);
  if (late !== undefined) return atRevision(registry, listing, { revision: late, limit });
  const { revision } = registry.feed;
  // A list from the cache (resourceVersion=0) is never paged, as upstream.
  if (limit > 0 && version !== 0) return currentPage(registry, listing, { limit });
  return isConverted(listing.kind) ? currentPage(registry, listing, {}) : { entries: cache.list(selection), resourceVersion: revision };
}

function withContinue(page: { entries: Entry[]; remaining: number; more: boolean }, revision: number, selection: Selection): ListResult {
  const last = page.entries.at(-1);
  if (!page.more || !last) return { entries: page.entries, resourceVersion: revision };
  const token = encodeContinue({ resourceVersion: revision, start: `${last.key}\0` });
  const count = selection.matches ? {} : { remainingItemCount: page.remaining };
  return { entries: page.entries, resourceVersion: revision, continue: token, ...count };
}

async function continued(registry: Registry, listing: Listing, token: ReturnType<typeof decodeContinue>): Promise<ListResult> {
  const { options } = listing;
  const limit = options.limit ?? 0;
  const after = token.start.endsWith('\0') ? token.start.slice(0, -1) : token.start;
  if (token.resourceVersion < 0) {
    const late = await awaitFreshness(registry, undefined);
    if (late !== undefined) return atRevision(registry, listing, { revision: late, limit, after });
    return currentPage(registry, listing, { after, ...(limit ? { limit } : {}) });
  }
  try {
    return await atRevision(registry, listing, { revision: token.resourceVersion, limit, after });
  } catch (error) {
    if (isExpired(error)) throw expired(inconsistentText, encodeContinue({ resourceVersion: -1, start: token.start }));
    throw error;
  }
}

/** Exactly at a revision: from a held snapshot, or from the store. */
async function atRevision(registry: Registry, listing: Listing, at: { revision: number; limit: number; after?: string }): Promise<ListResult> {
  const { cache, selection } = listing;
  const { revision, limit, after } = at;
  const held = registry.snapshots.find(cache, revision);
  if (held) {
    const page = await pageOf(listing, held, { ...(after !== undefined ? { after } : {}), ...(limit ? { limit } : {}) });
    return withContinue(page, revision, selection);
  }
  if (revision > registry.feed.revision) {
    const current = await registry.store.currentRevision();
    if (revision > current) throw tooLargeVersion(revision, current);
  }
  const prefix = cache.prefix + (selection.namespace ? `${selection.namespace}/` : '');
  const entries: Entry[] = [];
  let from = after === undefined ? undefined : cache.prefix + after;
  for (;;) {
    checkWanted(listing.scope.signal);
    const page = await readPage(registry, prefix, { revision, limit, ...(from !== undefined ? { after: from } : {}) });
    const read = page.values.map((value) => entryFromStored(value.key.slice(cache.prefix.length), listed(value)));
    if (selection.matches) await convertEntries(listing.kind, read);
    for (const [i, entry] of read.entries()) {
      if (selects(selection, entry)) entries.push(entry);
      if (limit && entries.length === limit) {
        const remaining = page.count - i - 1;
        return withContinue({ entries, remaining, more: remaining > 0 }, revision, selection);
      }
    }
    from = page.values.at(-1)?.key;
    if (!page.more || from === undefined) return { entries, resourceVersion: revision };
  }
}

/** Rather nothing than a part of the list. */
function listed(value: StoredValue): StoredValue {
  if (value.unreadable) throw unreadableList(value.unreadable);
  return value;
}

function readPage(registry: Registry, prefix: string, at: { revision: number; limit: number; after?: string }) {
  return registry.store.range(prefix, { revision: at.revision, limit: at.limit || 2_000, ...(at.after !== undefined ? { after: at.after } : {}) });
}

