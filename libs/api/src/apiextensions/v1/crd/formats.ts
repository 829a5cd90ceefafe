import type { CustomResourceDefinitionSpec } from '../../../../gen/types.ts';
import { knownFormat } from '../../../custom/formats.ts';
import { type Schema, additionalOf, alternativesOf, itemsOf, negated, propertiesOf } from './schema-node.ts';

function formatsIn(schema: Schema): string[] {
  const parts = [itemsOf(schema), negated(schema), additionalOf(schema), ...(['allOf', 'anyOf', 'oneOf'] as const).flatMap((name) => alternativesOf(schema, name)), ...propertiesOf(schema).map(([, property]) => property)];
  const own = schema.type === 'string' && schema.format && !knownFormat(schema.format) ? [schema.format] : [];
  return [...own, ...parts.flatMap((part) => (part ? formatsIn(part) : []))];
}

/** Formats of strings that are not checked; each once. */
export function unrecognizedFormats(spec: CustomResourceDefinitionSpec | undefined): string[] {
  return [...new Set((spec?.versions ?? []).flatMap(({ schema }) => (schema?.openAPIV3Schema ? formatsIn(schema.openAPIV3Schema as Schema) : [])))];
}
