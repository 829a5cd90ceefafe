import type { FieldSchema, ObjectSchema } from '@orrery/apimachinery';
import { definitionNamed, definitionOfKind } from './table.ts';

/** The schema of a definition, e.g. `io.k8s.api.apps.v1.Deployment`. Throws when there is none: a bug in the caller. */
export function schemaOf(definition: string): ObjectSchema {
  const found = definitionNamed(definition);
  if (!found) throw new Error(`there is no definition ${definition}`);
  return found.schema;
}

/** Fields of a definition by name. */
export function fieldsOf(definition: string): ReadonlyMap<string, FieldSchema> {
  return schemaOf(definition).fields;
}

/** Name of the definition of a kind, e.g. of `apps/v1` and `Deployment`; undefined when it is not built in. */
export function definitionFor(apiVersion: string, kind: string): string | undefined {
  return definitionOfKind(apiVersion, kind)?.name;
}
