import { PatchError, type KubeObject, SelectorError, applyJsonPatch, applyMergePatch, parseFieldSelector, parseLabelSelector } from '@orrery/apimachinery';
import { StatusError, badRequest, internalError, methodNotSupported, unsupportedMediaType } from '@orrery/errors';
import type { HttpReply } from '../../net/http-server.ts';
import { group, groupVersion, resources, root } from './documents.ts';
import type { Change, Place, SampleStore, Stored, WriteOptions } from './store.ts';

/** A request for objects, as far as the API needs to know of it. */
export interface ApiCall {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly accept: string;
  readonly body: string;
}

/** What a call is about, in the words of authorization. */
export interface Target extends Place {
  readonly subresource: string;
  readonly verb: string;
}

/** Ends a watch: after so many milliseconds, or when nobody reads any more. */
export type WatchUntil = (ms: number) => Promise<void>;

/** What a path below the API's root means; undefined: nothing. */
export function targetOf({ method, path, query }: Pick<ApiCall, 'method' | 'path' | 'query'>): Target | undefined {
  if (!path.startsWith(`${root}/`)) return undefined;
  const parts = path.slice(root.length + 1).split('/').filter(Boolean);
  const inNamespace = parts[0] === 'namespaces' && parts.length > 2;
  const [namespace = '', plural = '', name = '', subresource = ''] = inNamespace ? parts.slice(1) : ['', ...parts];
  const resource = resources.find((one) => one.plural === plural);
  if (!resource || (inNamespace && !resource.namespaced) || (subresource !== '' && !(subresource === 'status' && resource.hasStatus))) return undefined;
  if (name !== '' && resource.namespaced && !inNamespace) return undefined;
  return { resource, namespace, name, subresource, verb: verbOf(method, name !== '', query) };
}

function verbOf(method: string, isOne: boolean, query: URLSearchParams): string {
  if (method === 'GET' || method === 'HEAD') return isOne ? 'get' : isTrue(query.get('watch')) ? 'watch' : 'list';
  if (method === 'DELETE') return isOne ? 'delete' : 'deletecollection';
  return { POST: 'create', PUT: 'update', PATCH: 'patch' }[method] ?? method.toLowerCase();
}

const isTrue = (value: string | null): boolean => value === 'true' || value === '1';

export const jsonReply = (status: number, body: object, type = 'application/json'): HttpReply => ({ status, headers: [['Content-Type', type]], body: `${JSON.stringify(body)}\n` });

/** The reply for what went wrong. */
export function failure(error: unknown): HttpReply {
  const known = error instanceof StatusError ? error : error instanceof SelectorError || error instanceof PatchError || error instanceof SyntaxError ? badRequest(error.message) : internalError(error);
  return jsonReply(known.code, known.status);
}

function parseBody(body: string): KubeObject {
  const value: unknown = JSON.parse(body);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badRequest('the body of the request is not an object');
  return value as KubeObject;
}

function parseObject(call: ApiCall, kind: string): KubeObject {
  // A client that names no type sends JSON, as upstream's default has it.
  if (call.contentType && !/^application\/json\b/.test(call.contentType)) throw unsupportedMediaType('the body of the request was in an unknown format - accepted media types include: application/json');
  const object = parseBody(call.body);
  if (object.apiVersion && object.apiVersion !== groupVersion) throw badRequest(`the API version in the data (${object.apiVersion}) does not match the expected API version (${groupVersion})`);
  if (object.kind && object.kind !== kind) throw badRequest(`${object.kind} in version "${call.path.split('/')[3] ?? ''}" cannot be handled as a ${kind}: converting (${object.kind}) to (${kind})`);
  return object;
}

function patched(call: ApiCall, old: Stored): KubeObject {
  const type = call.contentType.split(';')[0]?.trim();
  const patch: unknown = JSON.parse(call.body);
  if (type === 'application/json-patch+json') return applyJsonPatch(old, patch) as KubeObject;
  // The kinds have no lists that are merged by key: the strategic patch is the plain one.
  if (type === 'application/merge-patch+json' || type === 'application/strategic-merge-patch+json') return applyMergePatch(old, patch) as KubeObject;
  throw unsupportedMediaType('the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json');
}

/** Whether the client wants to see a table, or the metadata alone. */
function shapeOf(accept: string): 'Table' | 'PartialObjectMetadata' | undefined {
  for (const type of accept.split(',')) {
    if (!/^\s*application\/json\b/.test(type)) continue;
    if (/;\s*as=Table\b/.test(type)) return 'Table';
    if (/;\s*as=PartialObjectMetadata/.test(type)) return 'PartialObjectMetadata';
    return undefined;
  }
  return undefined;
}

const metaVersion = 'meta.k8s.io/v1';
const columnDefinitions = [
  { name: 'Name', type: 'string', format: 'name', description: 'Name must be unique within a namespace.', priority: 0 },
  { name: 'Created At', type: 'date', format: '', description: 'The time at which the server created this object.', priority: 0 },
];

const metadataOnly = ({ metadata }: Stored): object => ({ kind: 'PartialObjectMetadata', apiVersion: metaVersion, metadata });

function table(items: readonly Stored[], metadata: object): object {
  const rows = items.map((item) => ({ cells: [item.metadata.name, item.metadata.creationTimestamp], object: metadataOnly(item) }));
  return { kind: 'Table', apiVersion: metaVersion, metadata, columnDefinitions, rows };
}

function oneReply(status: number, object: Stored, accept: string): HttpReply {
  const shape = shapeOf(accept);
  if (shape === 'Table') return jsonReply(status, table([object], { resourceVersion: object.metadata.resourceVersion }));
  return jsonReply(status, shape === undefined ? object : metadataOnly(object));
}

/** The objects that the selectors of a query choose. */
function chosen(query: URLSearchParams): (object: Stored) => boolean {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '');
  for (const { field } of fields.requirements) {
    if (field !== 'metadata.name' && field !== 'metadata.namespace') throw badRequest(`"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`);
  }
  return ({ metadata }) => labels.matches(metadata.labels ?? {}) && fields.matches({ 'metadata.name': metadata.name, 'metadata.namespace': metadata.namespace ?? '' });
}

/** The API's objects over HTTP: every verb of a resource, as an API server made with upstream's library has them. */
export class SampleApi {
  private readonly store: SampleStore;
  private readonly until: WatchUntil;

  constructor(store: SampleStore, options: { until: WatchUntil }) {
    this.store = store;
    this.until = options.until;
  }

  /** Carries out a call. Throws StatusError and what `failure` knows. */
  serve(call: ApiCall, target: Target): HttpReply {
    const { store } = this;
    const { accept, query } = call;
    const dryRun = query.get('dryRun') === 'All';
    const options: WriteOptions = { dryRun, status: target.subresource === 'status' };
    switch (target.verb) {
      case 'get':
        return oneReply(200, store.get(target), accept);
      case 'list':
        return this.list(call, target);
      case 'watch':
        return this.watch(call, target);
      case 'create':
        if (target.name !== '') break;
        return oneReply(201, store.create(target, parseObject(call, target.resource.kind), options), accept);
      case 'update':
        return oneReply(200, store.update(target, () => parseObject(call, target.resource.kind), options), accept);
      case 'patch':
        return oneReply(200, store.update(target, (old) => patched(call, old), options), accept);
      case 'delete':
        return this.remove(call, target, dryRun);
      case 'deletecollection':
        return this.removeAll(call, target, dryRun);
    }
    throw methodNotSupported({ group, resource: target.resource.plural }, target.verb);
  }

  private list({ query, accept }: ApiCall, { resource, namespace }: Target): HttpReply {
    const items = this.store.list(resource, namespace).filter(chosen(query));
    const metadata = { resourceVersion: String(this.store.revision) };
    const shape = shapeOf(accept);
    if (shape === 'Table') return jsonReply(200, table(items, metadata));
    if (shape === 'PartialObjectMetadata') return jsonReply(200, { kind: 'PartialObjectMetadataList', apiVersion: metaVersion, metadata, items: items.map(metadataOnly) });
    return jsonReply(200, { kind: `${resource.kind}List`, apiVersion: groupVersion, metadata, items });
  }

  private remove(call: ApiCall, target: Target, dryRun: boolean): HttpReply {
    const { preconditions, dryRun: inBody } = call.body ? (parseBody(call.body) as { preconditions?: { uid?: string; resourceVersion?: string }; dryRun?: string[] }) : {};
    const { object, gone } = this.store.delete(target, { dryRun: dryRun || inBody?.includes('All') === true, preconditions });
    if (!gone) return oneReply(202, object, call.accept);
    const { resource, name } = target;
    return jsonReply(200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details: { name, group, kind: resource.plural, uid: object.metadata.uid } });
  }

  private removeAll({ query }: ApiCall, target: Target, dryRun: boolean): HttpReply {
    const items = this.store.list(target.resource, target.namespace).filter(chosen(query));
    for (const { metadata } of items) this.store.delete({ resource: target.resource, namespace: metadata.namespace ?? '', name: metadata.name }, { dryRun });
    return jsonReply(200, { kind: `${target.resource.kind}List`, apiVersion: groupVersion, metadata: { resourceVersion: String(this.store.revision) }, items });
  }

  private watch({ query, accept }: ApiCall, target: Target): HttpReply {
    const isChosen = chosen(query);
    const asked = query.get('resourceVersion') ?? '';
    const seconds = Number(query.get('timeoutSeconds') ?? '') || 1800;
    const shape = shapeOf(accept);
    const { resource, namespace } = target;
    const { store } = this;
    const pending: string[] = [];
    let wake: () => void = () => undefined;
    const tell = (type: string, object: Stored): void => {
      const shown = shape === 'Table' ? table([object], { resourceVersion: object.metadata.resourceVersion }) : shape ? metadataOnly(object) : object;
      pending.push(`${JSON.stringify({ type, object: shown })}\n`);
      wake();
    };
    const changed = ({ type, plural, object }: Change): void => {
      if (plural !== resource.plural || (namespace !== '' && object.metadata.namespace !== namespace) || !isChosen(object)) return;
      tell(type, object);
    };
    const initial = asked === '' || asked === '0' ? store.list(resource, namespace).filter(isChosen) : [];
    for (const object of initial) tell('ADDED', object);
    const stop = store.follow(asked === '' || asked === '0' ? store.revision : Number(asked), changed);
    const over = this.until(seconds * 1000);
    return { status: 200, headers: [['Content-Type', 'application/json']], body: lines({ pending, over, stop, sleep: (resume) => (wake = resume) }) };
  }
}

/** The lines of a watch as they come, until it is over or nobody reads any more. */
async function* lines(watch: { pending: string[]; over: Promise<void>; stop: () => void; sleep: (resume: () => void) => void }): AsyncGenerator<Uint8Array> {
  const { pending, over, stop, sleep } = watch;
  let isOver = false;
  void over.then(() => (isOver = true), () => (isOver = true));
  try {
    for (;;) {
      for (const line of pending.splice(0)) yield Buffer.from(line);
      if (isOver) return;
      await Promise.race([new Promise<void>((resume) => sleep(resume)), over]);
    }
  } finally {
    stop();
  }
}
