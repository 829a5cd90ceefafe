import { deepEqual } from '@orrery/apimachinery';
import { StatusError } from '@orrery/errors';
import type { CustomResourceDefinition, CustomResourceDefinitionSpec, CustomResourceDefinitionVersion } from '../../gen/types.ts';
import { defineKind } from '../define-kind.ts';
import type { KindDescriptor, ScalePaths } from '../kind.ts';
import { customDefinitionName } from '../schema/openapi/model.ts';
import { qualifiedName } from '../validation/names.ts';
import { customColumns } from './columns.ts';
import { type ConversionWebhook, storageOf } from './conversion.ts';
import { applySchemaDefaults } from './defaulting.ts';
import { storedJsonPath } from './json-path.ts';
import { customJudge } from './judge.ts';
import { type Codecs, type Custom, type VersionCodec, versionCodecs } from './version-codec.ts';

type Whole = CustomResourceDefinition & { readonly spec: CustomResourceDefinitionSpec };

const isTrue = (definition: CustomResourceDefinition, type: string): boolean =>
  (definition.status?.conditions ?? []).some((condition) => condition.type === type && condition.status === 'True');

/** Served to clients. */
export const isEstablished = (definition: CustomResourceDefinition): boolean => isTrue(definition, 'Established');
/** Being deleted: nothing new is taken in. */
export const isTerminating = (definition: CustomResourceDefinition): boolean => isTrue(definition, 'Terminating');

/** Everything but metadata and, where it is a subresource, status. */
function content(object: Custom, hasStatus: boolean): Record<string, unknown> {
  const { metadata: _metadata, ...rest } = object;
  if (hasStatus) delete rest['status'];
  return rest;
}

function restore(draft: Record<string, unknown>, old: Record<string, unknown>, name: string): void {
  if (old[name] === undefined) delete draft[name];
  else draft[name] = old[name];
}

function setGeneration(draft: Custom, generation: number | undefined): void {
  draft.metadata ??= {};
  if (generation === undefined) delete draft.metadata.generation;
  else draft.metadata.generation = generation;
}

function strategy(definition: CustomResourceDefinition, hasStatus: boolean): Pick<KindDescriptor<Custom>, 'prepareForCreate' | 'prepareForUpdate' | 'prepareForStatusUpdate'> {
  const terminating = isTerminating(definition);
  return {
    prepareForCreate(draft) {
      if (terminating) throw new StatusError({ code: 405, reason: 'MethodNotAllowed', message: 'create not allowed while custom resource definition is terminating', details: { group: definition.spec?.group ?? '', kind: definition.spec?.names?.plural ?? '' } });
      if (hasStatus) delete draft['status'];
      setGeneration(draft, 1);
    },
    prepareForUpdate(draft, old) {
      if (hasStatus) restore(draft, old, 'status');
      const current = old.metadata?.generation;
      setGeneration(draft, deepEqual(content(draft, hasStatus), content(old, hasStatus)) ? current : (current ?? 0) + 1);
    },
    prepareForStatusUpdate(draft, old) {
      const managedFields = draft.metadata?.['managedFields'];
      const resourceVersion = draft.metadata?.['resourceVersion'];
      for (const name of new Set([...Object.keys(draft), ...Object.keys(old)])) if (name !== 'metadata' && name !== 'status') restore(draft, old, name);
      draft.metadata = { ...old.metadata, ...(managedFields === undefined ? {} : { managedFields }), ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    },
  };
}

const bare = (path: string): string => path.replace(/^\./, '');

function scaleOf(version: CustomResourceDefinitionVersion): ScalePaths | undefined {
  const scale = version.subresources?.scale;
  if (!scale) return undefined;
  return { specReplicas: bare(scale.specReplicasPath), statusReplicas: bare(scale.statusReplicasPath), ...(scale.labelSelectorPath ? { selector: bare(scale.labelSelectorPath) } : {}) };
}

function selectableOf(version: CustomResourceDefinitionVersion): Pick<KindDescriptor<Custom>, 'selectable' | 'selectableFields'> {
  const fields = (version.selectableFields ?? []).map(({ jsonPath }) => ({ name: bare(jsonPath), find: storedJsonPath(jsonPath) }));
  const text = (value: unknown): string => (value === undefined || value === null ? '' : String(value));
  return {
    selectableFields: fields.map(({ name }) => name),
    selectable: (object) => Object.fromEntries(fields.map(({ name, find }) => [name, text(find(object)[0])])),
  };
}

/** What is told to users of a deprecated version: its own words, or where to go. */
function deprecationOf(definition: Whole, version: CustomResourceDefinitionVersion): string | undefined {
  if (!version.deprecated) return undefined;
  if (version.deprecationWarning !== undefined) return version.deprecationWarning;
  const { group, names, versions } = definition.spec;
  const newer = versions.filter((one) => one.served && !one.deprecated && compareVersions(one.name, version.name) < 0).sort((a, b) => compareVersions(a.name, b.name));
  const hint = newer[0] ? `; use ${group}/${newer[0].name} ${names.kind}` : '';
  return `${group}/${version.name} ${names.kind} is deprecated${hint}`;
}

const standardFinalizers = ['kubernetes', 'orphan', 'foregroundDeletion'];

/** New finalizers that others could take for theirs. */
function finalizerWarnings(object: Custom, old: Custom | undefined): string[] {
  const before = (old?.metadata?.['finalizers'] ?? []) as readonly string[];
  const added = ((object.metadata?.['finalizers'] ?? []) as readonly string[]).filter((name) => !before.includes(name));
  return [...new Set(added)].sort().flatMap((name) => {
    const about = `metadata.finalizers: ${JSON.stringify(name)}: `;
    const unqualified = !name.includes('/') && !standardFinalizers.includes(name);
    return [...qualifiedName(name), ...(unqualified ? ['prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers'] : [])].map((why) => about + why);
  });
}

/** Where a status subresource is, status is left to it. */
const hasStatusSubresource = (version: CustomResourceDefinitionVersion): boolean => version.subresources?.status !== undefined;

interface Context {
  readonly codecs: Codecs;
  readonly webhook?: ConversionWebhook | undefined;
}

function customKind(definition: Whole, version: CustomResourceDefinitionVersion, context: Context): KindDescriptor<Custom> {
  const { group, names, scope } = definition.spec;
  const accepted = definition.status?.acceptedNames ?? names;
  const codec = context.codecs.get(`${group}/${version.name}`) as VersionCodec;
  const { source, schema } = codec;
  const hasStatus = hasStatusSubresource(version);
  const scale = scaleOf(version);
  const deprecation = deprecationOf(definition, version);
  const judge = customJudge(source, scale);
  const base = defineKind<Custom>({
    group,
    version: version.name,
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    resource: names.plural,
    singular: accepted.singular || names.singular || names.kind.toLowerCase(),
    namespaced: scope === 'Namespaced',
    shortNames: accepted.shortNames ?? [],
    categories: accepted.categories ?? [],
    definition: customDefinitionName({ group, version: version.name, kind: names.kind }),
    schema,
    customSchema: source,
    storagePrefix: `${group}/${names.plural}`,
    hasStatus,
    ...(scale ? { scale } : {}),
    ...(deprecation ? { deprecation } : {}),
    ...selectableOf(version),
    storedAs: storageOf(definition, codec, context),
    unconditionalUpdate: false,
    defaults: (object) => applySchemaDefaults(object, source),
    validate: (object) => judge(object),
    validateUpdate: (object, old) => judge(object, old),
    validateStatusUpdate: (object, old) => judge(object, old, 'status'),
    warnings: finalizerWarnings,
    columns: customColumns(version.additionalPrinterColumns),
  });
  return { ...base, ...strategy(definition, hasStatus) };
}

/** `v2` before `v1` before `v1beta1` before `v1alpha1`; other names after these, in order of the alphabet. */
export function compareVersions(a: string, b: string): number {
  const rank = (name: string): readonly number[] | undefined => {
    const [, major, stage, minor] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(name) ?? [];
    return major === undefined ? undefined : [stage === undefined ? 2 : stage === 'beta' ? 1 : 0, Number(major), Number(minor ?? 0)];
  };
  const [left, right] = [rank(a), rank(b)];
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : a > b ? 1 : 0;
  for (const [i, n] of left.entries()) if (n !== right[i]) return (right[i] ?? 0) - n;
  return 0;
}

/**
 * What a CustomResourceDefinition makes the server serve: a kind for every served version, the preferred one first. Without
 * `webhook` objects are converted by their apiVersion alone, whatever the definition says.
 */
export function customKinds(definition: CustomResourceDefinition, webhook?: ConversionWebhook): KindDescriptor[] {
  const context = { codecs: versionCodecs(definition), webhook };
  return (definition.spec?.versions ?? [])
    .filter((version) => version.served)
    .sort((a, b) => compareVersions(a.name, b.name))
    .map((version) => customKind(definition as Whole, version, context) as KindDescriptor);
}

/** The kind in which instances are stored, served or not. */
export function storageKind(definition: CustomResourceDefinition, webhook?: ConversionWebhook): KindDescriptor | undefined {
  const version = (definition.spec?.versions ?? []).find((one) => one.storage);
  return version && (customKind(definition as Whole, version, { codecs: versionCodecs(definition), webhook }) as KindDescriptor);
}
