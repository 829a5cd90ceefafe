import { type ObjectSchema, type Schema, checkApplied, isRecord, joinProblems, mergeValues } from '@orrery/apimachinery';
import { CelList, type CelValue, isCelMap, toJson } from '@orrery/cel';

/** Why an apply configuration cannot be merged; upstream's words. */
export class ApplyConfigurationError extends Error {}

const isConstructed = (name: string): boolean => name === 'Object' || name.startsWith('Object.');

/** `Object.spec{…}` may only stand where a spec does: the compiler does not know the fields. */
function checkTypeNames(value: CelValue, path: string): void {
  if (value instanceof CelList) return value.values().forEach((item) => checkTypeNames(item, path));
  if (!isCelMap(value) || !isConstructed(value.typeName)) return;
  if (value.typeName !== path) {
    throw new ApplyConfigurationError(`type mismatch: unexpected type name ${JSON.stringify(value.typeName)}, expected ${JSON.stringify(path)}, which matches field name path from root Object type`);
  }
  for (const key of value.keys()) checkTypeNames(value.find(key) ?? null, `${path}.${String(key)}`);
}

/** The JSON of a constructed value. Throws ApplyConfigurationError when a type is used in the wrong place. */
export function constructed(value: CelValue): unknown {
  if (isCelMap(value) && isConstructed(value.typeName)) checkTypeNames(value, 'Object');
  return toJson(value);
}

/** Lists, maps and structs that are replaced as one piece: to set a part of one would take away the rest. */
function atomics(value: unknown, schema: Schema | undefined, path: string): string[] {
  if (!schema) return [];
  if (Array.isArray(value) && schema.type === 'list') {
    const own = schema.listType === 'atomic' ? [path] : [];
    return [...own, ...value.flatMap((item, i) => atomics(item, schema.items, `${path}[${i}]`))];
  }
  if (!isRecord(value) || (schema.type !== 'object' && schema.type !== 'map')) return [];
  const own = schema.atomic ? [path] : [];
  const inner = (name: string): Schema | undefined => (schema.type === 'object' ? schema.fields.get(name)?.schema : undefined);
  return [...own, ...Object.entries(value).flatMap(([name, member]) => atomics(member, inner(name), `${path}.${name}`))];
}

/** `live` with what the configuration names set, as server-side apply merges it, but owned by nobody. */
export function applyConfiguration(live: unknown, configuration: unknown, schema: ObjectSchema): unknown {
  const problems = checkApplied(configuration, schema);
  if (problems.length) throw new ApplyConfigurationError(`error applying patch: failed to convert patch object to typed object: ${joinProblems(problems)}`);
  const whole = atomics(configuration, schema, '');
  if (whole.length) throw new ApplyConfigurationError(`error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${whole.join(', ')}`);
  return mergeValues(schema, live, configuration);
}
