import { type Schema, additionalOf } from './schema-node.ts';

/** A field that a path like `.spec.host` or `.spec['a.b']` leads to. */
export interface FieldReference {
  readonly names: readonly string[];
  readonly schema: Schema;
}

/** `.name` or `['name']`; a quote or backslash in a name is escaped. */
const step = /\.([A-Za-z_][\w-]*)|\[\s*'((?:[^'\\]|\\['\\])*)'\s*\]/y;

/** The names of a path; a text when it is none. */
function namesOf(path: string): readonly string[] | string {
  const names: string[] = [];
  let end = 0;
  while (end < path.length) {
    step.lastIndex = end;
    const found = step.exec(path);
    if (!found) return path.startsWith('.', end) ? 'does not refer to a valid field' : `expected [ or . but got: ${path.charAt(end)}`;
    names.push(found[1] ?? (found[2] ?? '').replace(/\\(.)/g, '$1'));
    end = step.lastIndex;
  }
  return names.length ? names : 'must not be empty';
}

/** Follows a path through a schema; a text for what is wrong with it. Lists cannot be entered. */
export function findField(path: string, root: Schema): FieldReference | string {
  const names = namesOf(path);
  if (typeof names === 'string') return names;
  let schema: Schema | undefined = root;
  for (const name of names) {
    const properties = (schema.properties ?? {}) as Record<string, Schema>;
    schema = Object.hasOwn(properties, name) ? properties[name] : additionalOf(schema);
    if (!schema) return 'does not refer to a valid field';
  }
  return { names, schema };
}
