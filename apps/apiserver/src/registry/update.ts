import { type KubeObject, cloneChanged, cloneJson, formatApiVersion, validateObjectMetaUpdate } from '@orrery/apimachinery';
import { type FieldError, StatusError, badRequest, conflict, invalid, modifiedConflict, notFound } from '@orrery/errors';
import type { Entry } from '../cache/entry.ts';
import { itemKey } from '../storage/keys.ts';
import { type Admission, admission } from './admission-chain.ts';
import { type Decision, type UpdateOutcome, guaranteedUpdate } from './commit.ts';
import { prepareNew, ttlSeconds, validateNew } from './create.ts';
import { type Conversions, conversionsOf } from './conversions.ts';
import { keepReadable, keepTimes, track } from './managed-fields.ts';
import { type Draft, asDraft, keepSystemFields, matchNamespace } from './metadata.ts';
import { dropDoubleOwners } from './owner-references.ts';
import { type Registry, type RequestScope, type WriteOptions, subjectOf } from './registry.ts';
import { strategyContext, strategyOf } from './update-strategy.ts';

/** How a subresource with an object of its own (Scale) shows the stored one to admission, and takes over what admission made of it. */
export interface AdmissionView {
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  of(object: KubeObject): KubeObject;
  take(view: KubeObject, draft: KubeObject): void;
}

export interface UpdateInput {
  readonly options: WriteOptions;
  /** Makes the new object from the current one (undefined: there is none); gives a fresh draft at every call. */
  transform(current: KubeObject | undefined): Promise<KubeObject> | KubeObject;
  /** May the request create the object? */
  readonly createIfAbsent: boolean;
  /** The transform has recorded who owns what itself (apply). */
  readonly isTracked?: boolean;
  readonly view?: AdmissionView;
  /** Is it fine to leave out resourceVersion? A patch starts from the current object, so it always names one. */
  readonly unconditional: boolean;
  /** The object a PUT was made for: nothing else may be there under its name. A patch that names another uid is refused by validation. */
  readonly uid?: string | undefined;
}

export interface UpdateResult {
  readonly entry: Entry;
  readonly created: boolean;
}

/** The common course of PUT and PATCH, of objects and of their subresources: see `update-strategy`. */
export async function updateWith(registry: Registry, scope: RequestScope, input: UpdateInput): Promise<UpdateResult> {
  const { kind, info } = scope;
  const ttl = ttlSeconds(registry, scope);
  let open: Admission | undefined;
  let outcome: UpdateOutcome | undefined;
  try {
    outcome = await guaranteedUpdate(registry, {
      kind,
      namespace: kind.namespaced ? info.namespace : '',
      name: info.name,
      dryRun: input.options.dryRun,
      ...(ttl ? { ttlSeconds: ttl } : {}),
      decide: async (current) => {
        const ended = open?.finish(false);
        if (ended) await ended;
        const step = current ? await decideUpdate(registry, scope, { input, current }) : await decideCreate(registry, scope, input);
        open = step.check;
        return step.decision;
      },
    });
  } finally {
    const ended = open?.finish(outcome !== undefined && !input.options.dryRun);
    if (ended) await ended;
  }
  if (!outcome.entry) throw notFound(subjectOf(scope));
  return { entry: outcome.entry, created: outcome.created };
}

/** What a write to the status copies in any case; all else it puts back as it was. */
const ofStatus: readonly string[] = ['metadata', 'status'];

/**
 * PUT. The object is the caller's to give away. A component of this process makes it of the one that it knows: what it shares with the current one
 * need not be copied for the status to change, nor compared.
 */
export function update(registry: Registry, scope: RequestScope, input: { object: KubeObject; options: WriteOptions }): Promise<UpdateResult> {
  const { kind } = scope;
  const isStatus = scope.info.subresource === 'status';
  scope.audit?.request({ kind: kind.kind, apiVersion: formatApiVersion(kind.group, kind.version), ...input.object });
  // Before it is looked up: another name is wrong whether there is such an object or not.
  checkName(scope, input.object.metadata?.name);
  return updateWith(registry, scope, {
    options: input.options,
    transform: (current) => (isStatus && current ? cloneChanged(input.object as Record<string, unknown>, current, ofStatus) : cloneJson(input.object)),
    createIfAbsent: kind.createOnUpdate && scope.info.subresource === '',
    unconditional: kind.unconditionalUpdate,
    uid: input.object.metadata?.uid,
  });
}

/** What the storage of upstream says of an object that is not the one that was meant. */
export function otherUid(registry: Registry, scope: RequestScope, uids: { wanted: string; found: string | undefined }): StatusError {
  const { kind, info } = scope;
  const key = registry.feed.cache(kind).prefix + itemKey(kind, info.namespace, info.name);
  const why = `Precondition failed: UID in precondition: ${uids.wanted}, UID in object meta: ${uids.found ?? ''}`;
  return conflict(subjectOf(scope), `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`);
}

interface Step {
  readonly decision: Decision;
  readonly check: Admission;
}

function checkName({ info: { name } }: RequestScope, sent: string | undefined): void {
  if (!sent) throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  if (sent !== name) throw badRequest(`the name of the object (${sent}) does not match the name on the URL (${name})`);
}

function checkIdentity(scope: RequestScope, draft: Draft): void {
  matchNamespace(scope, draft);
  checkName(scope, draft.metadata.name);
}

function checkVersion(scope: RequestScope, draft: Draft, pass: { input: UpdateInput; current: Entry }): void {
  const { kind } = scope;
  const { resourceVersion = '' } = draft.metadata;
  const before = pass.current.object as KubeObject;
  if (!resourceVersion || resourceVersion === '0') {
    if (pass.input.unconditional) return;
    const error: FieldError = { reason: 'FieldValueInvalid', field: 'metadata.resourceVersion', message: 'Invalid value: 0x0: must be specified for an update' };
    // Upstream names the resource here where other errors name the kind.
    throw invalid({ group: kind.group, kind: kind.resource, name: scope.info.name }, [error]);
  }
  if (!/^\d+$/.test(resourceVersion)) {
    throw new StatusError({ code: 500, message: `resourceVersion: Invalid value: ${JSON.stringify(resourceVersion)}: strconv.ParseUint: parsing ${JSON.stringify(resourceVersion)}: invalid syntax` });
  }
  if (resourceVersion !== before.metadata?.resourceVersion) throw modifiedConflict(subjectOf(scope));
}

/** As `track`, with webhooks asked how managers of other versions see the object; when they fail, versions are taken to be alike. */
async function trackConverted(registry: Registry, scope: RequestScope, { conversions, ...change }: { conversions: Conversions; before: KubeObject; draft: Draft; manager: string }): Promise<void> {
  try {
    await conversions.complete(() => track(registry, scope, { ...change, conversions }));
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    registry.env.log.warn('who owns which field is told without conversion', { resource: scope.kind.resource, error });
    track(registry, scope, change);
  }
}

async function decideUpdate(registry: Registry, scope: RequestScope, pass: { input: UpdateInput; current: Entry }): Promise<Step> {
  const { kind, info } = scope;
  const { input, current } = pass;
  const before = current.object as KubeObject;
  const strategy = strategyOf(kind, info.subresource);
  if (input.uid && input.uid !== before.metadata?.uid) throw otherUid(registry, scope, { wanted: input.uid, found: before.metadata?.uid });
  const transformed = input.transform(before);
  const draft = asDraft(kind, transformed instanceof Promise ? await transformed : transformed);
  checkIdentity(scope, draft);
  kind.defaults(draft);
  if (info.verb === 'update') dropDoubleOwners(scope, draft, 'sent');
  const { view } = input;
  const shown = view ? { object: view.of(draft), oldObject: view.of(before), objectKind: view.kind } : { object: draft, oldObject: before };
  const check = admission(registry, scope, { operation: 'UPDATE', ...shown, name: info.name, options: input.options });
  try {
    const admitted = check.admit();
    if (admitted instanceof Promise ? await admitted : admitted) {
      view?.take(check.attributes.object as KubeObject, draft);
      kind.defaults(draft);
    }
    dropDoubleOwners(scope, draft, 'admitted');
    checkVersion(scope, draft, pass);
    if (!input.isTracked) {
      const manager = input.options.fieldManager;
      const conversions = conversionsOf(kind);
      if (conversions) await trackConverted(registry, scope, { conversions, before, draft, manager });
      else track(registry, scope, { before, draft, manager });
    }
    keepSystemFields(draft, before);
    strategy.prepare(draft, before, strategyContext(registry, scope));
    const errors = [...validateObjectMetaUpdate(draft.metadata, before.metadata ?? {}), ...strategy.validate(draft, before)];
    if (errors.length) throw invalid({ group: kind.group, kind: kind.kind, name: info.name }, errors);
    if (info.subresource === '' && !scope.isDeaf) for (const text of kind.warnings(draft, before)) scope.warn(text);
    keepTimes(draft, before);
    if (view) check.attributes.object = view.of(draft);
    const validated = check.validate();
    if (validated) await validated;
  } catch (error) {
    await check.finish(false);
    throw error;
  }
  return { decision: strategy.removes(draft, before) ? { action: 'delete', final: draft } : { action: 'put', draft }, check };
}

async function decideCreate(registry: Registry, scope: RequestScope, input: UpdateInput): Promise<Step> {
  const { kind, info } = scope;
  if (!input.createIfAbsent) throw notFound(subjectOf(scope));
  if (input.uid) throw otherUid(registry, scope, { wanted: input.uid, found: undefined });
  const draft = asDraft(kind, await input.transform(undefined));
  checkIdentity(scope, draft);
  kind.defaults(draft);
  if (!input.isTracked) track(registry, scope, { before: undefined, draft, manager: input.options.fieldManager });
  const { managedFields } = draft.metadata;
  const check = admission(registry, scope, { operation: 'CREATE', object: draft, oldObject: undefined, name: info.name, options: input.options });
  try {
    if (await check.admit()) kind.defaults(draft);
    dropDoubleOwners(scope, draft, 'admitted');
    keepReadable(draft, managedFields);
    prepareNew(registry, scope, draft);
    validateNew(scope, draft);
    await scope.checkCreate?.();
    await check.validate();
  } catch (error) {
    await check.finish(false);
    throw error;
  }
  return { decision: { action: 'put', draft }, check };
}
