import { type KubeObject, type ObjectMeta, deepEqual, validateObjectMeta } from '@orrery/apimachinery';
import { alreadyExists, badRequest, expired, forbidden, invalid, modifiedConflict, notFound } from '@orrery/errors';
import type { Clock, Random } from '@orrery/runtime';
import { type SampleResource, group, groupVersion } from './documents.ts';

/** An object as it is kept: with everything that the server fills in. */
export interface Stored extends KubeObject {
  readonly metadata: ObjectMeta & { readonly name: string; readonly resourceVersion: string; readonly uid: string };
  readonly spec?: { readonly reference?: string; readonly referenceType?: string };
  readonly status?: object;
  readonly disallowedFlunders?: readonly string[];
}

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly plural: string;
  readonly object: Stored;
  readonly revision: number;
}

export interface Place {
  readonly resource: SampleResource;
  readonly namespace: string;
  readonly name: string;
}

export interface WriteOptions {
  readonly dryRun: boolean;
  /** The status alone is written, or everything but the status. */
  readonly status?: boolean;
}

/** Changes that watches may begin at. */
const keptChanges = 1000;

/** The objects of the sample API server and what happened to them of late. */
export class SampleStore {
  revision = 1;
  private readonly objects = new Map<string, { plural: string; object: Stored }>();
  private readonly changes: Change[] = [];
  private readonly followers = new Set<(change: Change) => void>();
  private readonly clock: Clock;
  private readonly random: Random;

  constructor(options: { clock: Clock; random: Random }) {
    this.clock = options.clock;
    this.random = options.random;
  }

  list(resource: SampleResource, namespace: string): Stored[] {
    const found = [...this.objects.values()].filter(({ plural, object }) => plural === resource.plural && (namespace === '' || object.metadata.namespace === namespace));
    return found.map(({ object }) => object).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  }

  /** Throws NotFound. */
  get(place: Place): Stored {
    const found = this.objects.get(at(place))?.object;
    if (!found) throw notFound(subjectOf(place));
    return found;
  }

  /** Throws Invalid, AlreadyExists, and Forbidden for names that a Fischer disallows. */
  create({ resource, namespace }: Place, body: KubeObject, { dryRun }: WriteOptions): Stored {
    const { status: _, ...given } = body as Stored;
    const { generateName = '' } = given.metadata ?? {};
    const name = given.metadata?.name ?? (generateName ? generateName + this.random.name(5) : '');
    if (namespace !== '' && given.metadata?.namespace && given.metadata.namespace !== namespace) throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    const { deletionTimestamp: _deletion, deletionGracePeriodSeconds: _grace, ...metadata } = given.metadata ?? {};
    const made = this.completed(resource, { ...given, metadata: { ...metadata, name, ...(resource.namespaced ? { namespace } : {}), uid: this.random.uuid(), creationTimestamp: this.now(), resourceVersion: '' } });
    const errors = validateObjectMeta(made.metadata, { namespaced: resource.namespaced, nameRule: 'dns1123Subdomain' });
    if (errors.length) throw invalid({ group, kind: resource.kind, name }, errors);
    const place = { resource, namespace, name };
    if (resource.kind === 'Flunder' && this.isBanned(name)) throw forbidden(subjectOf(place), 'this name may not be used, please change the resource name');
    if (this.objects.has(at(place))) throw alreadyExists(subjectOf(place));
    return this.write('ADDED', place, { object: made, dryRun });
  }

  /** Replaces an object by what `change` makes of it. Throws NotFound, Conflict, Invalid. */
  update(place: Place, change: (old: Stored) => KubeObject, options: WriteOptions): Stored {
    const old = this.get(place);
    const asked = change(old) as Partial<Stored>;
    const { name = '', namespace, resourceVersion, uid } = asked.metadata ?? {};
    if (name !== place.name) throw badRequest(`the name of the object (${name}) does not match the name on the URL (${place.name})`);
    if (place.resource.namespaced && namespace && namespace !== place.namespace) throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    if ((resourceVersion && resourceVersion !== old.metadata.resourceVersion) || (uid && uid !== old.metadata.uid)) throw modifiedConflict(subjectOf(place));
    const { creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds } = old.metadata;
    const fixed = { name, ...(place.resource.namespaced ? { namespace: place.namespace } : {}), uid: old.metadata.uid, resourceVersion: old.metadata.resourceVersion, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds };
    const { status: askedStatus, ...rest } = asked;
    const whole = options.status ? { ...old, ...(askedStatus ? { status: askedStatus } : {}) } : { ...rest, ...(old.status ? { status: old.status } : {}), metadata: withoutUndefined({ ...asked.metadata, ...fixed }) };
    const next = this.completed(place.resource, whole as Stored);
    const errors = validateObjectMeta(next.metadata, { namespaced: place.resource.namespaced, nameRule: 'dns1123Subdomain' });
    if (errors.length) throw invalid({ group, kind: place.resource.kind, name }, errors);
    if (deletionTimestamp && !next.metadata.finalizers?.length) return this.write('DELETED', place, { object: next, dryRun: options.dryRun });
    return deepEqual(next, old) ? old : this.write('MODIFIED', place, { object: next, dryRun: options.dryRun });
  }

  /** Deletes an object, or marks it where it has finalizers; true: it is gone. Throws NotFound, Conflict. */
  delete(place: Place, options: WriteOptions & { preconditions?: { uid?: string; resourceVersion?: string } | undefined }): { object: Stored; gone: boolean } {
    const object = this.get(place);
    const { uid, resourceVersion } = options.preconditions ?? {};
    if ((uid && uid !== object.metadata.uid) || (resourceVersion && resourceVersion !== object.metadata.resourceVersion)) throw modifiedConflict(subjectOf(place));
    if (!object.metadata.finalizers?.length) return { object: this.write('DELETED', place, { object, dryRun: options.dryRun }), gone: true };
    if (object.metadata.deletionTimestamp) return { object, gone: false };
    const marked = { ...object, metadata: { ...object.metadata, deletionTimestamp: this.now(), deletionGracePeriodSeconds: 0 } };
    return { object: this.write('MODIFIED', place, { object: marked, dryRun: options.dryRun }), gone: false };
  }

  /** Calls back with every change after `revision`, in order, until the returned function is called. Throws Expired. */
  follow(revision: number, each: (change: Change) => void): () => void {
    const oldest = this.changes[0]?.revision ?? this.revision + 1;
    if (revision < oldest - 1) throw expired(`too old resource version: ${revision} (${oldest - 1})`);
    for (const change of this.changes) if (change.revision > revision) each(change);
    this.followers.add(each);
    return () => void this.followers.delete(each);
  }

  private now(): string {
    return new Date(this.clock.now()).toISOString().replace(/\.\d+/, '');
  }

  private isBanned(name: string): boolean {
    return [...this.objects.values()].some(({ object }) => object.disallowedFlunders?.includes(name));
  }

  /** What the API fills in: whatever a Flunder refers to is a Flunder unless it says otherwise. */
  private completed(resource: SampleResource, object: Stored): Stored {
    const typed = { ...object, apiVersion: groupVersion, kind: resource.kind };
    if (resource.kind !== 'Flunder') return typed;
    const { spec = {} } = object;
    return { ...typed, spec: spec.reference && !spec.referenceType ? { ...spec, referenceType: 'Flunder' } : spec, status: object.status ?? {} };
  }

  private write(type: Change['type'], place: Place, { object, dryRun }: { object: Stored; dryRun: boolean }): Stored {
    if (dryRun) return object;
    const revision = ++this.revision;
    const written: Stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    if (type === 'DELETED') this.objects.delete(at(place));
    else this.objects.set(at(place), { plural: place.resource.plural, object: written });
    const change: Change = { type, plural: place.resource.plural, object: written, revision };
    this.changes.push(change);
    if (this.changes.length > keptChanges) this.changes.shift();
    for (const tell of [...this.followers]) tell(change);
    return written;
  }
}

const keyOf = ({ metadata }: Stored): string => `${metadata.namespace ?? ''}/${metadata.name}`;
const at = ({ resource, namespace, name }: Place): string => `${resource.plural}/${namespace}/${name}`;

export const subjectOf = ({ resource, name }: Pick<Place, 'resource' | 'name'>): { group: string; resource: string; name: string } => ({ group, resource: resource.plural, name });

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
