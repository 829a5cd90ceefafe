import { parseResourceVersion } from '@orrery/apimachinery';
import { type FieldError, type StatusError, badRequest, expired, fieldError, invalid } from '@orrery/errors';
import type { KindDescriptor } from '@orrery/api';
import type { FaultedRequest } from '@orrery/chaos';
import { convertEntries, isConverted } from '../cache/conversion.ts';
import { Entry } from '../cache/entry.ts';
import { Frame } from '../cache/frame.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { Selection } from '../cache/selection.ts';
import { delayedSink, faultedRequest } from '../chaos/faulted.ts';
import { selectedName } from '../pipeline/resource-info.ts';
import { type ConvertedFollower, followConverted } from './converted-watch.ts';
import { isFeatureOn } from '../feature-gates.ts';
import type { Registry, RequestScope } from './registry.ts';
import { selectionOf } from './selection.ts';

export interface WatchOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
  readonly allowWatchBookmarks?: boolean;
  readonly sendInitialEvents?: boolean;
  /** Refused together with a match; otherwise without meaning for a watch. */
  readonly continue?: string;
  readonly timeoutSeconds?: number;
}

/** Receives a watch. Neither method may throw. */
export interface WatchSink {
  /** In order of revision; do not change or keep the array. */
  frames(batch: readonly Frame[]): void;
  /** The end: without an error a clean one (timeout, reset). Called once; not after `stop`. */
  closed(error?: StatusError): void;
}

export interface WatchHandle {
  stop(): void;
}

function checkOptions(options: WatchOptions, isStreaming: boolean): void {
  const { resourceVersionMatch: match = '', sendInitialEvents } = options;
  const errors: FieldError[] = [];
  const refuse = (field: string, why: string): void => void errors.push(fieldError.forbidden(field, why));
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    refuse('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  }
  if (sendInitialEvents !== undefined && !isStreaming) refuse('sendInitialEvents', 'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled');
  if (match !== '') {
    if (sendInitialEvents === undefined) refuse('resourceVersionMatch', 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
    if (match !== 'NotOlderThan') errors.push(fieldError.notSupported('resourceVersionMatch', match, ['NotOlderThan']));
    if (options.continue) refuse('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided');
  }
  if (errors.length) throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions', name: '' }, errors);
}

/** A watch that begins with the current state is a streamed list: upstream's defaults of ListOptions. */
function withDefaults(options: WatchOptions): WatchOptions {
  const { resourceVersion = '', resourceVersionMatch = '', sendInitialEvents } = options;
  const isStream = sendInitialEvents === undefined && resourceVersionMatch === '' && (resourceVersion === '' || resourceVersion === '0');
  return isStream ? { ...options, sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' } : options;
}

/** The name of a single object watched by path may be said again by the field selector, but no other. */
function checkName(name: string, fieldSelector: string): void {
  if (name && fieldSelector && selectedName('watch', fieldSelector) !== name) {
    throw badRequest("fieldSelector metadata.name doesn't match requested name");
  }
}

/** Groups and kinds of bookmarks, as small as upstream's: only kind, apiVersion and the resourceVersion. */
export function bookmark(kind: KindDescriptor, revision: number, annotations?: Record<string, string>): Frame {
  const metadata = { resourceVersion: String(revision), ...(annotations ? { annotations } : {}) };
  const object = { kind: kind.kind, apiVersion: kind.group ? `${kind.group}/${kind.version}` : kind.version, metadata };
  return new Frame('BOOKMARK', new Entry('', revision, { encoded: Buffer.from(JSON.stringify(object)) }));
}

/** How long before its end a watch is told how far it came, as upstream, so that its successor need not look back. */
const lastBookmarkMs = 2_000;

/** Milliseconds a watch without a timeout lasts: spread, so that clients do not all come back at once. */
function lifetimeMs(registry: Registry, options: WatchOptions): number {
  if (options.timeoutSeconds) return options.timeoutSeconds * 1000;
  return registry.config.minRequestTimeoutSeconds * 1000 * (1 + registry.env.random.next());
}

/** Waits until the cache can answer. Resolves to the revision after which changes are wanted; undefined: current state first. */
async function startingPoint(registry: Registry, cache: ResourceCache, options: WatchOptions): Promise<number | undefined> {
  const version = options.resourceVersion ? parseResourceVersion(options.resourceVersion) : undefined;
  if (version === undefined) await registry.feed.waitForCurrent();
  else if (options.sendInitialEvents) await registry.feed.waitFor(version);
  if (options.sendInitialEvents) return undefined;
  if (options.sendInitialEvents === false && version === undefined) return registry.feed.revision;
  if (version === undefined || version === 0) return undefined;
  if (version < cache.oldestRevision) throw expired(`too old resource version: ${version} (${cache.oldestRevision})`);
  return version;
}

/**
 * Watches a collection (or one object, by name in the path). Rejects with a StatusError before anything was delivered;
 * afterwards the sink hears of the end. Frames are of the kind that was asked for.
 */
export async function watch(registry: Registry, scope: RequestScope, given: WatchOptions, sink: WatchSink): Promise<WatchHandle> {
  const isStreaming = isFeatureOn(registry.config.featureGates, 'WatchList');
  const options = isStreaming ? withDefaults(given) : given;
  checkOptions(options, isStreaming);
  const { kind, info } = scope;
  checkName(info.name, options.fieldSelector ?? '');
  const selection = selectionOf(kind, { ...options, namespace: info.namespace, ...(info.name ? { name: info.name } : {}) });
  const cache = registry.feed.cache(kind);
  cache.checkReadable();
  const after = await startingPoint(registry, cache, options);
  // A webhook that fails is told in the reply rather than by an end of the watch.
  if (after === undefined && isConverted(kind)) {
    const { matches: _matches, ...whole } = selection;
    await convertEntries(kind, cache.list(whole));
  }
  const request = faultedRequest(scope);
  return new RunningWatch({ registry, kind, cache, selection, options, request, sink: registry.faults.active ? delayedSink(registry, request, sink) : sink }).start(after);
}

interface WatchSetup {
  readonly registry: Registry;
  readonly kind: KindDescriptor;
  readonly cache: ResourceCache;
  readonly selection: Selection;
  readonly options: WatchOptions;
  readonly sink: WatchSink;
  readonly request: FaultedRequest;
}

class RunningWatch implements WatchHandle {
  private readonly setup: WatchSetup;
  private readonly cleanups: (() => void)[] = [];
  private ended = false;

  constructor(setup: WatchSetup) {
    this.setup = setup;
  }

  start(after: number | undefined): WatchHandle {
    const { registry, options, kind, request } = this.setup;
    const { clock } = registry.env;
    this.cleanups.push(registry.faults.watching({ request, drop: () => this.finish() }));
    const converted = isConverted(kind) ? this.followConverted(after) : undefined;
    if (!converted) this.follow(after);
    if (this.ended) return this;
    const lifetime = lifetimeMs(registry, options);
    const timers = [clock.after(lifetime, () => this.finish())];
    if (options.allowWatchBookmarks) {
      const mark = (): void => {
        if (converted?.isCurrent ?? true) this.setup.sink.frames([bookmark(kind, registry.feed.revision)]);
      };
      timers.push(clock.every(registry.config.bookmarkIntervalMs, mark));
      if (lifetime > lastBookmarkMs) timers.push(clock.after(lifetime - lastBookmarkMs, mark));
    }
    this.cleanups.push(() => timers.forEach((timer) => timer.cancel()));
    return this;
  }

  stop(): void {
    this.ended = true;
    for (const cleanup of this.cleanups.splice(0)) cleanup();
  }

  private follow(after: number | undefined): void {
    const { registry, cache, selection } = this.setup;
    const { revision } = registry.feed;
    if (after === undefined) this.sendState(cache.list(selection), revision);
    if (this.ended) return;
    const consumer = { frames: (batch: readonly Frame[]) => this.forward(batch), reset: () => this.finish() };
    this.cleanups.push(cache.watch({ selection, after: after ?? revision, consumer }));
  }

  private followConverted(after: number | undefined): ConvertedFollower {
    const { kind, cache, selection, sink, registry } = this.setup;
    const { revision } = registry.feed;
    const follower = followConverted({ kind, cache, selection, after }, {
      state: (entries) => this.sendState(entries, revision),
      frames: (batch) => sink.frames(batch),
      ended: () => this.finish(),
    });
    this.cleanups.push(() => follower.stop());
    return follower;
  }

  /** The current state as ADDED events; of a streamed list, closed by the bookmark that says it is complete. */
  private sendState(entries: readonly Entry[], revision: number): void {
    const { kind, options, sink } = this.setup;
    const frames = entries.map((entry) => new Frame('ADDED', entry.view(kind)));
    this.setup.registry.meters.initEvents(this.setup.cache.kind, frames.length);
    if (options.sendInitialEvents && options.allowWatchBookmarks) frames.push(bookmark(kind, revision, { 'k8s.io/initial-events-end': 'true' }));
    if (frames.length) sink.frames(frames);
  }

  private forward(batch: readonly Frame[]): void {
    const { kind, sink } = this.setup;
    if (!this.ended) sink.frames(kind.storedAs ? batch.map((frame) => frame.view(kind)) : batch);
  }

  private finish(error?: StatusError): void {
    if (this.ended) return;
    this.stop();
    this.setup.sink.closed(error);
  }
}
