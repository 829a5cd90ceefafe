import { type KubeObject, deepEqual } from '@orrery/apimachinery';
import type { CustomResourceColumnDefinition, CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresources, SelectableField } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import type { Schema } from './schema-node.ts';

/** What a version says of its objects, and where problems with it are reported. */
export interface VersionParts {
  readonly schema?: { readonly value: Schema; readonly at: FieldPath };
  readonly subresources?: { readonly value: CustomResourceSubresources; readonly at: FieldPath };
  readonly columns?: { readonly value: readonly CustomResourceColumnDefinition[]; readonly at: FieldPath };
  readonly selectable?: { readonly value: readonly SelectableField[]; readonly at: FieldPath; readonly schema: Schema | undefined };
}

export type Parts = VersionParts & { readonly hasStatus: boolean };

const schemaOf = (version: CustomResourceDefinitionVersion | undefined): Schema | undefined => version?.schema?.openAPIV3Schema as Schema | undefined;

function same(versions: readonly CustomResourceDefinitionVersion[], part: (version: CustomResourceDefinitionVersion) => unknown): boolean {
  const [first] = versions;
  return first !== undefined && versions.every((version) => deepEqual((part(version) ?? null) as KubeObject | null, (part(first) ?? null) as KubeObject | null));
}

function partsAt(version: CustomResourceDefinitionVersion, paths: { schema: FieldPath; rest: FieldPath }, wanted: Readonly<Record<'schema' | 'subresources' | 'columns' | 'selectable', boolean>>): VersionParts {
  const schema = schemaOf(version);
  const { subresources, additionalPrinterColumns: columns, selectableFields: selectable } = version;
  return {
    ...(wanted.schema && schema ? { schema: { value: schema, at: paths.schema } } : {}),
    ...(wanted.subresources && subresources ? { subresources: { value: subresources, at: paths.rest.child('subresources') } } : {}),
    ...(wanted.columns && columns ? { columns: { value: columns, at: paths.rest.child('additionalPrinterColumns') } } : {}),
    ...(wanted.selectable && selectable ? { selectable: { value: selectable, at: paths.rest.child('selectableFields'), schema } } : {}),
  };
}

/**
 * The parts to be judged, as upstream's internal form holds them: what all versions say alike is one part of the definition,
 * named as such (`spec.validation.openAPIV3Schema`), and judged after the versions.
 */
export function partsOf(spec: CustomResourceDefinitionSpec, at: FieldPath): { versions: Parts[]; common: Parts } {
  const versions = spec.versions ?? [];
  const isCommon = {
    schema: same(versions, (version) => version.schema),
    subresources: same(versions, (version) => version.subresources),
    columns: same(versions, (version) => version.additionalPrinterColumns),
    selectable: same(versions, (version) => version.selectableFields),
  };
  const own = { schema: !isCommon.schema, subresources: !isCommon.subresources, columns: !isCommon.columns, selectable: !isCommon.selectable };
  const hasStatus = (version: CustomResourceDefinitionVersion | undefined): boolean => version?.subresources?.status !== undefined;
  const [first] = versions;
  return {
    versions: versions.map((version, i) => {
      const path = at.child('versions').at(i);
      return { hasStatus: hasStatus(version), ...partsAt(version, { schema: path.child('schema').child('openAPIV3Schema'), rest: path }, own) };
    }),
    common: { hasStatus: versions.some(hasStatus), ...(first ? partsAt(first, { schema: at.child('validation').child('openAPIV3Schema'), rest: at }, isCommon) : {}) },
  };
}
