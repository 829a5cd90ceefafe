import { isRecord } from '@orrery/apimachinery';
import type { JSONSchemaProps } from '../../../../gen/types.ts';

/** A schema of a definition, as the API spells it: extensions have dashes that the generated names may not. */
export type Schema = JSONSchemaProps & Readonly<Record<string, unknown>>;

export const flag = (schema: Schema, name: string): boolean => schema[name] === true;

export const propertiesOf = (schema: Schema): [string, Schema][] => Object.entries((schema.properties ?? {}) as Record<string, Schema>);

/** The one schema of a list's items; undefined where there is none, or several. */
export const itemsOf = (schema: Schema): Schema | undefined => (isRecord(schema.items) ? (schema.items as Schema) : undefined);

export const additionalOf = (schema: Schema): Schema | undefined => (isRecord(schema.additionalProperties) ? (schema.additionalProperties as Schema) : undefined);

export const alternativesOf = (schema: Schema, name: 'allOf' | 'anyOf' | 'oneOf'): readonly Schema[] => (schema[name] ?? []) as unknown as readonly Schema[];

export const negated = (schema: Schema): Schema | undefined => (isRecord(schema.not) ? (schema.not as Schema) : undefined);
