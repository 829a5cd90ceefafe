import type { KindDescriptor } from './kind.ts';

const definitionAt = (kind: KindDescriptor, version: string): string => kind.definition.replace(`.${kind.version}.`, `.${version}.`);

/**
 * The same kind under another version of its group, field for field what it is in `kind`, and stored as that. Only for
 * versions whose definitions hold the same fields.
 */
export function earlierVersion<T = any>(kind: KindDescriptor<T>, version: string): KindDescriptor<T> {
  const at = (apiVersion: string) => (object: T): T => ({ ...object, apiVersion: `${kind.group}/${apiVersion}` });
  const { group } = kind;
  return { ...kind, version, definition: definitionAt(kind, version), storedAs: { group, version: kind.version, toStorage: at(kind.version), fromStorage: at(version) } };
}

/** Versions before v1 are deprecated three releases after they came and go three releases later. `minor`: since 1.minor. */
export function deprecatedSince<T>(kind: KindDescriptor<T>, minor: number): KindDescriptor<T> {
  return { ...kind, deprecation: `${kind.group}/${kind.version} ${kind.kind} is deprecated in v1.${minor}+, unavailable in v1.${minor + 3}+` };
}

/** A version whose objects look different: everything but its defaults is what `kind` makes of the converted object. */
export function convertedVersion<T extends object, S extends object>(
  kind: KindDescriptor<S>,
  { version, toStorage, fromStorage }: { readonly version: string; readonly toStorage: (object: T) => S; readonly fromStorage: (object: S) => T },
): KindDescriptor<T> {
  /** Drafts are edited in place. */
  const edited = (draft: T, edit: (object: S) => void): void => {
    const object = structuredClone(toStorage(draft));
    edit(object);
    const result = fromStorage(object);
    for (const key of Object.keys(draft)) if (!(key in result)) delete (draft as Record<string, unknown>)[key];
    Object.assign(draft, result);
  };
  const { scale, prepareForDelete: _none, customSchema: _custom, schema: _schema, ...rest } = kind;
  return {
    ...rest,
    ...(scale ? { scale } : {}),
    version,
    definition: definitionAt(kind, version),
    storedAs: { group: kind.group, version: kind.version, toStorage, fromStorage },
    subresources: [],
    selectable: (object) => kind.selectable(toStorage(object)),
    defaults: (object) => edited(object, kind.defaults),
    prepareForCreate: (object, context) => edited(object, (draft) => kind.prepareForCreate(draft, context)),
    prepareForUpdate: (object, old, context) => edited(object, (draft) => kind.prepareForUpdate(draft, toStorage(old), context)),
    prepareForStatusUpdate: (object, old, context) => edited(object, (draft) => kind.prepareForStatusUpdate(draft, toStorage(old), context)),
    validate: (object) => kind.validate(toStorage(object)),
    validateUpdate: (object, old) => kind.validateUpdate(toStorage(object), toStorage(old)),
    validateStatusUpdate: (object, old) => kind.validateStatusUpdate(toStorage(object), toStorage(old)),
    gracePeriodSeconds: (object, requested) => kind.gracePeriodSeconds(toStorage(object), requested),
    columns: kind.columns.map((column) => ({ ...column, cell: (object, context) => column.cell(toStorage(object), context) })),
    warnings: (object, old) => kind.warnings(toStorage(object), old && toStorage(old)),
  };
}
