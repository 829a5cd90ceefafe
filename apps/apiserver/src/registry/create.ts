import { type KubeObject, cloneJson, validateObjectMeta } from '@orrery/apimachinery';
import { StatusError, alreadyExists, invalid } from '@orrery/errors';
import type { Entry } from '../cache/entry.ts';
import { itemKey } from '../storage/keys.ts';
import { type Admission, admission } from './admission-chain.ts';
import { storeNew } from './commit.ts';
import { readCurrent } from './get.ts';
import { keepReadable, track } from './managed-fields.ts';
import { type Draft, asDraft, fillSystemFields, generateName, matchNamespace } from './metadata.ts';
import { dropDoubleOwners } from './owner-references.ts';
import { type Registry, type RequestScope, type WriteOptions, subjectOf } from './registry.ts';
import { strategyContext } from './update-strategy.ts';

const nameAttempts = 8;

/** Seconds until objects of this kind expire; undefined for all but Events. */
export function ttlSeconds(registry: Registry, scope: Pick<RequestScope, 'kind'>): number | undefined {
  const { kind, storedAs, group } = scope.kind;
  const isEvent = kind === 'Event' && (group === '' || (group === 'events.k8s.io' && storedAs !== undefined));
  return isEvent ? registry.config.eventTtlSeconds : undefined;
}

/** Prepares and checks a draft that admission has seen, as a create does. */
export function prepareNew(registry: Registry, scope: RequestScope, draft: Draft): void {
  const { kind } = scope;
  fillSystemFields(registry, draft);
  if (!draft.metadata.name && draft.metadata.generateName) draft.metadata.name = generateName(registry, draft.metadata.generateName);
  kind.prepareForCreate(draft, strategyContext(registry, scope));
}

export function validateNew(scope: RequestScope, draft: Draft): void {
  const { kind } = scope;
  const errors = [...validateObjectMeta(draft.metadata, { namespaced: kind.namespaced, nameRule: kind.nameRule }), ...kind.validate(draft)];
  if (errors.length) throw invalid({ group: kind.group, kind: kind.kind, name: draft.metadata.name ?? '' }, errors);
}

/** POST of a new object. The object is the caller's to give away: it becomes the draft. */
export async function create(registry: Registry, scope: RequestScope, input: { object: KubeObject; options: WriteOptions }): Promise<Entry> {
  const { kind } = scope;
  const draft = asDraft(kind, input.object);
  scope.audit?.request(draft);
  if (draft.metadata.resourceVersion && draft.metadata.resourceVersion !== '0') {
    throw new StatusError({ code: 500, message: 'resourceVersion should not be set on objects to be created' });
  }
  matchNamespace(scope, draft);
  kind.defaults(draft);
  dropDoubleOwners(scope, draft, 'sent');
  // Before admission, as upstream: the manager owns what it sent, and what admission adds to that is nobody's.
  track(registry, scope, { before: undefined, draft, manager: input.options.fieldManager });
  const { managedFields } = draft.metadata;
  const check = admission(registry, scope, { operation: 'CREATE', object: draft, oldObject: undefined, name: draft.metadata.name ?? '', options: input.options });
  let committed = false;
  try {
    const admitted = check.admit();
    if (admitted instanceof Promise ? await admitted : admitted) kind.defaults(draft);
    dropDoubleOwners(scope, draft, 'admitted');
    keepReadable(draft, managedFields);
    const entry = await store(registry, scope, { draft, check, options: input.options });
    committed = true;
    return entry;
  } finally {
    const ended = check.finish(committed && !input.options.dryRun);
    if (ended) await ended;
  }
}

interface Creation {
  readonly draft: Draft;
  readonly check: Admission;
  readonly options: WriteOptions;
}

/** A copy to try another generated name on; who owns what is the same in all of them. */
function copyOf({ metadata: { managedFields, name: _taken, ...metadata }, ...rest }: Draft): Draft {
  const copy = cloneJson({ kind: rest.kind, apiVersion: rest.apiVersion, metadata, ...rest }) as Draft;
  if (managedFields !== undefined) copy.metadata.managedFields = managedFields;
  return copy;
}

/** A generated name that is taken is drawn again. */
async function store(registry: Registry, scope: RequestScope, creation: Creation): Promise<Entry> {
  const { check, options } = creation;
  const { kind } = scope;
  const generated = !creation.draft.metadata.name && Boolean(creation.draft.metadata.generateName);
  const ttl = ttlSeconds(registry, scope);
  for (let attempt = 1; ; attempt++) {
    const draft = attempt === 1 ? creation.draft : copyOf(creation.draft);
    prepareNew(registry, scope, draft);
    validateNew(scope, draft);
    if (!scope.isDeaf) for (const text of kind.warnings(draft, undefined)) scope.warn(text);
    check.attributes.object = draft;
    const validated = check.validate();
    if (validated) await validated;
    const entry = await storeNew(registry, { kind, draft, dryRun: options.dryRun, ...(ttl ? { ttlSeconds: ttl } : {}) });
    if (entry) return entry;
    if (!generated || attempt === nameAttempts) throw await nameTaken(registry, scope, draft);
  }
}

/** Why the name cannot be had: generated ones may be asked for again, and one that is being deleted will be free. */
async function nameTaken(registry: Registry, scope: RequestScope, { metadata }: Draft): Promise<StatusError> {
  const { kind } = scope;
  const { status } = alreadyExists(subjectOf(scope, metadata.name));
  const { code, reason, message = '', details = {} } = status;
  if (metadata.generateName) {
    return new StatusError({ code, reason, message: `${message}, the server was not able to generate a unique name for the object`, details: { ...details, retryAfterSeconds: 1 } });
  }
  const holder = await readCurrent(registry, { kind }, itemKey(kind, metadata.namespace ?? '', metadata.name ?? ''));
  const isEnding = (holder?.object as KubeObject | undefined)?.metadata?.deletionTimestamp !== undefined;
  return new StatusError({ code, reason, message: isEnding ? `object is being deleted: ${message}` : message, details });
}
