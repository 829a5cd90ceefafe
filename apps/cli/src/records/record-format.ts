import type { KubeObject, ResourceRef } from '@orrery/apimachinery';

/** One change of an object, a line of a recording. */
export interface RecordedChange {
  /** Since the recording began. 0: the object was there before. */
  readonly ms: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: Pick<ResourceRef, 'group' | 'version' | 'resource' | 'kind' | 'namespaced'>;
  readonly object: KubeObject;
}

/** The first line of a recording. */
export interface RecordHeader {
  readonly orrery: 'recording';
  readonly version: 1;
  readonly startedAt: string;
}

export const header = (startedMs: number): RecordHeader => ({ orrery: 'recording', version: 1, startedAt: new Date(startedMs).toISOString() });

/** Reads a recording. Throws an Error that names the line that is wrong. */
export function parseRecording(text: string): RecordedChange[] {
  const lines = text.split('\n');
  const parse = (line: string, i: number): unknown => {
    try {
      return JSON.parse(line);
    } catch (error) {
      throw new Error(`line ${i + 1}: ${(error as Error).message}`);
    }
  };
  const first = (lines[0] ? parse(lines[0], 0) : {}) as Partial<RecordHeader>;
  if (first.orrery !== 'recording') throw new Error('line 1: it is no recording of a change feed');
  if (first.version !== 1) throw new Error(`line 1: it has version ${String(first.version)}, this build reads 1`);
  // A recording that was killed ends in the middle of a line, which then lacks its end.
  const whole = text.endsWith('\n') ? lines : lines.slice(0, -1);
  return whole.slice(1).flatMap((line, i) => {
    if (line === '') return [];
    const change = parse(line, i + 1) as RecordedChange;
    if (!change.object?.metadata?.name || !change.resource?.resource || typeof change.ms !== 'number') throw new Error(`line ${i + 2}: it is no change of an object`);
    return [change];
  });
}

/** What others need comes first, what needs others last. */
const order = ['namespaces', 'customresourcedefinitions', 'priorityclasses', 'storageclasses', 'runtimeclasses', 'clusterroles', 'roles', 'clusterrolebindings', 'rolebindings', 'serviceaccounts', 'secrets', 'configmaps', 'nodes', 'persistentvolumes', 'persistentvolumeclaims', 'services', 'deployments', 'statefulsets', 'daemonsets', 'cronjobs', 'jobs', 'replicasets', 'pods'];
const last = ['events', 'endpoints', 'endpointslices', 'leases'];

function rank(resource: string): number {
  const i = order.indexOf(resource);
  if (i >= 0) return i;
  return last.includes(resource) ? order.length + 1 : order.indexOf('services');
}

/** The changes in the order in which they are replayed: the state at the beginning sorted so that it can be made, then as they happened. */
export function inReplayOrder(changes: readonly RecordedChange[]): RecordedChange[] {
  const state = changes.filter(({ ms }) => ms === 0);
  const rest = changes.filter(({ ms }) => ms > 0);
  return [...state.sort((a, b) => rank(a.resource.resource) - rank(b.resource.resource)), ...rest];
}

/** Of an object made anew nothing is kept that the server says of its own objects. */
export function withoutServerFields(object: KubeObject, uids: ReadonlyMap<string, string>): KubeObject {
  const { uid: _uid, resourceVersion: _version, generation: _generation, creationTimestamp: _created, deletionTimestamp: _deleted, deletionGracePeriodSeconds: _grace, managedFields: _fields, selfLink: _link, ...metadata } = object.metadata as Record<string, unknown>;
  const owners = (metadata['ownerReferences'] as { uid: string }[] | undefined)?.flatMap((owner) => {
    const uid = uids.get(owner.uid);
    return uid === undefined ? [] : [{ ...owner, uid }];
  });
  return { ...object, metadata: { ...metadata, ...(owners ? { ownerReferences: owners } : {}) } } as KubeObject;
}
