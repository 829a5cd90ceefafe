import { CronJobs, DaemonSets, Deployments, Events, Jobs, Nodes, Pods, ReplicaSets, StatefulSets } from '@orrery/api';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ApiClient, WatchHandle } from '@orrery/client';
import type { Clock } from '@orrery/runtime';
import type { Change } from './test-world.ts';

/** Followed from the start. */
export const followedResources: readonly ResourceRef[] = [Nodes, Pods, Events, Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs];

const retryMs = 200;

/** Writes down the changes of resources. A watch that ends is taken up where it ended. */
export class History {
  readonly changes: Change[] = [];
  private readonly api: ApiClient;
  private readonly clock: Clock;
  private readonly handles = new Map<string, WatchHandle>();
  private stopped = false;

  constructor(options: { readonly api: ApiClient; readonly clock: Clock }) {
    this.api = options.api;
    this.clock = options.clock;
  }

  follow(resource: ResourceRef): void {
    if (!this.handles.has(nameOf(resource))) this.watch(resource, '0', new Map());
  }

  of(resource: ResourceRef | undefined): readonly Change[] {
    return resource ? this.changes.filter((change) => change.resource === nameOf(resource)) : this.changes;
  }

  stop(): void {
    this.stopped = true;
    for (const handle of this.handles.values()) handle.stop();
  }

  /** `known`: the version of each object that was seen, so that what a new watch begins with is not told twice. */
  private watch(resource: ResourceRef, from: string, known: Map<string, string>): void {
    let last = from;
    const handle = this.api.watch(resource, { resourceVersion: from, allowWatchBookmarks: true }, {
      events: (batch) => {
        for (const { type, object } of batch) {
          last = object.metadata?.resourceVersion ?? last;
          if (type !== 'BOOKMARK') this.take(resource, { type, object }, known);
        }
      },
      closed: (error) => {
        if (this.stopped) return;
        this.clock.after(retryMs, () => !this.stopped && this.watch(resource, error?.code === 410 ? '0' : last, known));
      },
    });
    this.handles.set(nameOf(resource), handle);
  }

  private take(resource: ResourceRef, { type, object }: { type: Change['type']; object: KubeObject }, known: Map<string, string>): void {
    const { uid = '', resourceVersion = '' } = object.metadata ?? {};
    if (known.get(uid) === resourceVersion && type !== 'DELETED') return;
    known.set(uid, resourceVersion);
    this.changes.push({ atMs: this.clock.now(), type, resource: nameOf(resource), object });
  }
}

export function nameOf({ group, resource }: ResourceRef): string {
  return group ? `${resource}.${group}` : resource;
}
