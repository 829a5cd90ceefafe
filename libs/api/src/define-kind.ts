import { cloneJson, deepEqual, isRecord } from '@orrery/apimachinery';
import type { FieldError } from '@orrery/errors';
import type { Column, KindDescriptor, StrategyContext } from './kind.ts';
import { semanticEqual } from './equality.ts';
import { fallbackColumns } from './printing/columns.ts';

type Required5 = 'group' | 'version' | 'kind' | 'resource' | 'namespaced';
type Prepared = 'prepareForCreate' | 'prepareForUpdate' | 'prepareForStatusUpdate';

/** What a kind says about itself; everything left out gets the default that most kinds have. */
export interface KindDefinition<T> extends Pick<KindDescriptor<T>, Required5>, Partial<Omit<KindDescriptor<T>, Required5 | Prepared | 'validateStatusUpdate'>> {
  /** The part whose change bumps metadata.generation (`'spec'`, or a projection). Left out: the kind keeps no generation. */
  readonly generation?: 'spec' | ((object: T) => unknown);
  /** What a new object's status holds (`{}` when left out), or `keep` to take the client's. */
  readonly emptyStatus?: 'keep' | Readonly<Record<string, unknown>>;
  /** Further preparation, after status was replaced and before the generation is set. metadata.uid and creationTimestamp are set by then. */
  readonly onCreate?: (object: T, context: StrategyContext) => void;
  /** Further preparation, after status was restored and before the generation is compared. */
  readonly onUpdate?: (object: T, old: T, context: StrategyContext) => void;
  /** Further preparation, after everything but metadata and status was restored from `old`. */
  readonly onStatusUpdate?: (object: T, old: T, context: StrategyContext) => void;
  readonly validateStatusUpdate?: (object: T, old: T) => FieldError[];
}

type Draft = { metadata?: { generation?: number }; spec?: unknown; status?: unknown } & Record<string, unknown>;

const allVerbs: readonly string[] = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

const definitionPackages: Readonly<Record<string, string>> = {
  'apiextensions.k8s.io': 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  'apiregistration.k8s.io': 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
};

function definitionName(group: string, version: string, kind: string): string {
  const pkg = definitionPackages[group] ?? `io.k8s.api.${group === '' ? 'core' : group.split('.')[0]}`;
  return `${pkg}.${version}.${kind}`;
}

function setGeneration(object: Draft, generation: number | undefined): void {
  object.metadata ??= {};
  if (generation === undefined) delete object.metadata.generation;
  else object.metadata.generation = generation;
}

function prepareFunctions<T>(definition: KindDefinition<T>, hasStatus: boolean): Pick<KindDescriptor<T>, Prepared> {
  const { generation, emptyStatus = {}, onCreate, onUpdate, onStatusUpdate } = definition;
  const watched = (object: T): unknown => (typeof generation === 'function' ? generation(object) : (object as Draft).spec);
  return {
    prepareForCreate: (object, context) => {
      const draft = object as Draft;
      if (hasStatus && emptyStatus !== 'keep') draft.status = cloneJson(emptyStatus);
      onCreate?.(object, context);
      setGeneration(draft, generation ? 1 : undefined);
    },
    prepareForUpdate: (object, old, context) => {
      const draft = object as Draft;
      const before = old as Draft;
      if (hasStatus) restore(draft, before, 'status');
      onUpdate?.(object, old, context);
      keepSame(draft, before);
      const current = before.metadata?.generation;
      const changed = generation !== undefined && !semanticEqual(watched(object), watched(old));
      setGeneration(draft, changed ? (current ?? 0) + 1 : current);
    },
    prepareForStatusUpdate: (object, old, context) => {
      const draft = object as Draft;
      const before = old as Draft;
      for (const key of new Set([...Object.keys(draft), ...Object.keys(before)])) {
        if (key !== 'metadata' && key !== 'status') restore(draft, before, key);
      }
      setGeneration(draft, before.metadata?.generation);
      onStatusUpdate?.(object, old, context);
    },
  };
}

/** Parts of the spec that are as they were are those that were: versions of an object share them, and who made something of one finds it by its identity. */
function keepSame({ spec }: Draft, { spec: before }: Draft): void {
  if (!isRecord(spec) || !isRecord(before)) return;
  for (const key in spec) if (typeof spec[key] === 'object' && deepEqual(spec[key], before[key])) spec[key] = before[key];
}

function restore(draft: Draft, before: Draft, key: string): void {
  if (before[key] === undefined) delete draft[key];
  else draft[key] = before[key];
}

const nothing = (): void => undefined;
const noErrors = (): FieldError[] => [];

/**
 * Builds a descriptor from the little that differs between kinds. Without `validateUpdate` an update is validated as a
 * create is. Kinds keep a generation only when they name the part that it counts.
 */
export function defineKind<T>(definition: KindDefinition<T>): KindDescriptor<T> {
  const { generation: _generation, emptyStatus: _e, onCreate: _c, onUpdate: _u, onStatusUpdate: _s, ...own } = definition;
  const hasStatus = definition.hasStatus ?? false;
  const validate = definition.validate ?? noErrors;
  return {
    listKind: `${definition.kind}List`,
    singular: definition.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    definition: definitionName(definition.group, definition.version, definition.kind),
    verbs: allVerbs,
    storagePrefix: definition.resource,
    subresources: [],
    selectable: () => ({}),
    selectableFields: [],
    defaults: nothing,
    validate,
    validateUpdate: (object) => validate(object),
    validateStatusUpdate: noErrors,
    nameRule: 'dns1123Subdomain',
    createOnUpdate: false,
    unconditionalUpdate: true,
    gracePeriodSeconds: () => 0,
    columns: fallbackColumns as readonly Column<T>[],
    warnings: () => [],
    defaultPropagation: 'Background',
    ...own,
    hasStatus,
    ...prepareFunctions(definition, hasStatus),
  };
}
