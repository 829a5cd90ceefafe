import { type KindDescriptor, schemaOf } from '@orrery/api';
import { type KubeObject, type ManagedFieldsEntry, type ObjectSchema, type VersionLookup, cloneJson, decodeManagers, deepEqual, formatApiVersion, parseApiVersion, trackUpdate } from '@orrery/apimachinery';
import { rfc3339 } from '@orrery/runtime';
import type { Conversions } from './conversions.ts';
import type { Draft } from './metadata.ts';
import type { Registry, RequestScope } from './registry.ts';

/** What a write to the status puts back: of custom resources and their definitions the metadata too. */
const statusResets = (kind: KindDescriptor): readonly string[] => (kind.customSchema || kind.kind === 'CustomResourceDefinition' ? ['metadata', 'spec'] : ['spec']);

const stored = (kind: KindDescriptor, object: unknown): unknown => (kind.storedAs ? kind.storedAs.toStorage(cloneJson(object)) : object);
const shown = (kind: KindDescriptor, object: unknown): unknown => (kind.storedAs ? kind.storedAs.fromStorage(cloneJson(object)) : object);

/** How managers of another version of a kind see its objects. Undefined where a webhook converts them and nobody asks it. */
function versionView(registry: Registry, about: { kind: KindDescriptor; conversions: Conversions | undefined }, apiVersion: string): ReturnType<VersionLookup> {
  const { kind, conversions } = about;
  const { group, version } = parseApiVersion(apiVersion);
  const other = registry.kinds.get(group, version, kind.resource);
  if (!other || other.storagePrefix !== kind.storagePrefix) return 'gone';
  if (kind.storedAs?.conversion || other.storedAs?.conversion) return conversions?.view(kind, other);
  return {
    schema: other.schema ?? schemaOf(other.definition),
    to: (object) => shown(other, stored(kind, object)),
    from: (object) => shown(kind, stored(other, object)),
  };
}

/** What a request of this scope says about ownership besides the fields themselves. */
export function ownership(registry: Registry, scope: RequestScope, conversions?: Conversions): {
  schema: ObjectSchema;
  apiVersion: string;
  kind: string;
  subresource: string;
  nowIso: string;
  resetFields: readonly string[];
  versions: VersionLookup;
} {
  const { kind, info } = scope;
  return {
    schema: kind.schema ?? schemaOf(kind.definition),
    apiVersion: formatApiVersion(kind.group, kind.version),
    kind: kind.kind,
    subresource: info.subresource,
    nowIso: rfc3339(registry.env.clock.now()),
    resetFields: info.subresource === 'status' ? statusResets(kind) : kind.hasStatus ? ['status'] : [],
    versions: (apiVersion) => versionView(registry, { kind, conversions }, apiVersion),
  };
}

const entriesOf = (object: KubeObject | undefined): readonly ManagedFieldsEntry[] | undefined =>
  (object?.metadata as { managedFields?: readonly ManagedFieldsEntry[] } | undefined)?.managedFields;

/** Records in metadata.managedFields who changed what. Of new objects before mutating admission, of others after it. */
export function track(registry: Registry, scope: RequestScope, change: { before: KubeObject | undefined; draft: Draft; manager: string; conversions?: Conversions }): Draft {
  const { before, draft, manager, conversions } = change;
  const known = entriesOf(before);
  // Entries that were sent back as they are keep their identity, which spares decoding them.
  if (known && deepEqual(entriesOf(draft), known)) draft.metadata.managedFields = known;
  const tracked = trackUpdate({ before, after: draft, manager, ...ownership(registry, scope, conversions) });
  draft.metadata = (tracked as unknown as Draft).metadata;
  return draft;
}

/** What admission made of managedFields holds unless it cannot be read. */
export function keepReadable(draft: Draft, tracked: unknown): void {
  if (draft.metadata.managedFields !== tracked && !decodeManagers(entriesOf(draft))) draft.metadata.managedFields = tracked;
}

function sameButForTime(a: ManagedFieldsEntry, b: ManagedFieldsEntry | undefined): boolean {
  const isSameWriter = b !== undefined && a.manager === b.manager && a.operation === b.operation && a.apiVersion === b.apiVersion && a.subresource === b.subresource && a.fieldsType === b.fieldsType;
  return isSameWriter && deepEqual(a.fieldsV1, b.fieldsV1);
}

/** A write that changes nothing but when somebody wrote changes nothing: entries keep their times. */
export function keepTimes(draft: Draft, before: KubeObject): void {
  const now = entriesOf(draft);
  const then = entriesOf(before);
  if (!now || !then || now === then || now.length !== then.length || !now.every((entry, i) => sameButForTime(entry, then[i]))) return;
  const { managedFields: _now, resourceVersion: _version, ...metadata } = draft.metadata;
  const { managedFields: _then, resourceVersion: _old, ...known } = before.metadata as Draft['metadata'];
  if (deepEqual({ ...draft, metadata }, { ...before, metadata: known })) draft.metadata.managedFields = then;
}
