import { describe, expect, it } from 'vitest';
import { validateDefinition, validateDefinitionUpdate } from './validation.ts';

type Spoil = (definition: any) => void;

function good(): any {
  return {
    metadata: { name: 'foos.example.com' },
    spec: {
      group: 'example.com', scope: 'Namespaced', names: { plural: 'foos', singular: 'foo', kind: 'Foo', listKind: 'FooList' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { a: { type: 'string' }, n: { type: 'integer' }, l: { type: 'array', items: { type: 'string' } } } } } } } }],
    },
    status: { storedVersions: ['v1'] },
  };
}

const told = (errors: { field: string; message: string }[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`);
const problems = (spoil: Spoil): string[] => {
  const definition = good();
  spoil(definition);
  return told(validateDefinition(definition));
};
const schemaOf = (d: any): any => d.spec.versions[0].schema.openAPIV3Schema;
const specOf = (d: any): any => schemaOf(d).properties.spec;
const second = (d: any, more: object = {}): void => void d.spec.versions.push({ ...structuredClone(d.spec.versions[0]), name: 'v2', storage: false, ...more });
const at = 'spec.validation.openAPIV3Schema';
const label = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

describe('a definition', () => {
  it('may be as it should', () => expect(problems(() => undefined)).toEqual([]));

  it.each<[string, Spoil, string[]]>([
    ['name', (d) => (d.metadata.name = 'x'), ['metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group']],
    ['group', (d) => ((d.spec.group = 'com'), (d.metadata.name = 'foos.com')), ['spec.group: Invalid value: "com": should be a domain with at least one dot']],
    ['scope', (d) => (d.spec.scope = 'x'), ['spec.scope: Unsupported value: "x": supported values: "Cluster", "Namespaced"']],
    ['names', (d) => (d.spec.names = { plural: 'foos', singular: 'A', kind: 'Foo', listKind: 'Foo', shortNames: ['1'] }), [`spec.names.singular: Invalid value: "A": ${label}`, `spec.names.shortNames[0]: Invalid value: "1": ${label}`, 'spec.names.listKind: Invalid value: "Foo": kind and listKind may not be the same']],
    ['no kind', (d) => (d.spec.names.kind = ''), ['spec.names.kind: Required value']],
    ['a version\'s name', (d) => (d.spec.versions[0].name = '1'), [`spec.versions[0].name: Invalid value: "1": ${label}`, `spec.version: Invalid value: "1": ${label}`]],
    ['no schema', (d) => delete d.spec.versions[0].schema, ['spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required']],
    ['a warning without deprecation', (d) => (d.spec.versions[0].deprecationWarning = 'x'), ['spec.versions[0].deprecationWarning: Invalid value: "x": can only be set for deprecated versions']],
    ['an unprintable warning', (d) => Object.assign(d.spec.versions[0], { deprecated: true, deprecationWarning: 'ä\n' }), ['spec.versions[0].deprecationWarning: Invalid value: "ä\\n": must only contain printable UTF-8 characters; non-printable character found at index 2']],
    ['approval', (d) => ((d.spec.group = 'x.k8s.io'), (d.metadata.name = 'foos.x.k8s.io')), ['metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111']],
    ['preserveUnknownFields', (d) => (d.spec.preserveUnknownFields = true), ['spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead']],
    ['a column', (d) => (d.spec.versions[0].additionalPrinterColumns = [{ name: '', type: 'x', format: 'y', jsonPath: 'a' }]), [
      'spec.additionalPrinterColumns[0].name: Required value', 'spec.additionalPrinterColumns[0].type: Invalid value: "x": must be one of boolean,date,integer,number,string',
      'spec.additionalPrinterColumns[0].format: Invalid value: "y": must be one of byte,date,date-time,double,float,int32,int64,password', 'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "a": must be a simple json path starting with .',
    ]],
    ['scale', (d) => (d.spec.versions[0].subresources = { scale: { specReplicasPath: '.a', statusReplicasPath: '', labelSelectorPath: '.x' } }), [
      'spec.subresources.scale.specReplicasPath: Invalid value: ".a": should be a json path under .spec', 'spec.subresources.scale.statusReplicasPath: Required value', 'spec.subresources.scale.labelSelectorPath: Invalid value: ".x": should be a json path under either .spec or .status',
    ]],
    ['selectable fields', (d) => (d.spec.versions[0].selectableFields = ['.spec.a', '.spec.x', '.spec', '.spec.a', 'x', ".spec['n']"].map((jsonPath) => ({ jsonPath }))), [
      'spec.selectableFields[1].jsonPath: Invalid value: ".spec.x": is an invalid path: does not refer to a valid field',
      'spec.selectableFields[2].jsonPath: Invalid value: ".spec": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
      'spec.selectableFields[3].jsonPath: Duplicate value: ".spec.a"', 'spec.selectableFields[4].jsonPath: Invalid value: "x": is an invalid path: expected [ or . but got: x',
    ]],
    ['conversion without webhook', (d) => (d.spec.conversion = { strategy: 'Webhook' }), ['spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook', 'spec.conversion.conversionReviewVersions: Required value']],
    ['a webhook without conversion', (d) => (d.spec.conversion = { strategy: 'None', webhook: { clientConfig: { url: 'https://x' }, conversionReviewVersions: ['v1'] } }), ['spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook', 'spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook']],
    ['review versions', (d) => (d.spec.conversion = { strategy: 'Webhook', webhook: { clientConfig: {}, conversionReviewVersions: ['v9', 'v9'] } }), ['spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required', 'spec.conversion.conversionReviewVersions[1]: Invalid value: "v9": duplicate version', 'spec.conversion.conversionReviewVersions: Invalid value: ["v9","v9"]: must include at least one of v1, v1beta1']],
  ])('is told of %s', (_what, spoil, expected) => expect(problems(spoil)).toEqual(expected));

  it('names what its versions do not say alike by the version', () => {
    expect(problems((d) => second(d, { schema: { openAPIV3Schema: { type: 'string' } } }))).toEqual(['spec.versions[1].schema.openAPIV3Schema.type: Invalid value: "string": must be object at the root']);
    expect(problems((d) => second(d, { name: 'v1' })).map((text) => text.replace(/value: \[.*\]: /, 'value: […]: '))).toEqual(['spec.versions: Invalid value: […]: must contain unique version names']);
    expect(problems((d) => second(d, { storage: true })).map((text) => text.replace(/value: \[.*\]: /, 'value: […]: '))).toEqual(['spec.versions: Invalid value: […]: must have exactly one version marked as storage version']);
  });
});

describe('a schema', () => {
  it.each<[string, Spoil, string[]]>([
    ['no type', (d) => delete schemaOf(d).type, [`${at}.type: Required value: must not be empty at the root`]],
    ['types that are missing, sorted', (d) => Object.assign(specOf(d).properties, { b: {}, l: { type: 'array', items: {} }, m: { type: 'object', additionalProperties: {} } }), [
      `${at}.properties[spec].properties[b].type: Required value: must not be empty for specified object fields`,
      `${at}.properties[spec].properties[l].items.type: Required value: must not be empty for specified array items`,
      `${at}.properties[spec].properties[m].additionalProperties.type: Required value: must not be empty for specified object fields`,
    ]],
    ['no items', (d) => delete specOf(d).properties.l.items, [`${at}.properties[spec].properties[l].items: Required value: must be specified`]],
    ['an unknown type', (d) => (specOf(d).properties.a.type = 'text'), [`${at}.properties[spec].properties[a].type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"`]],
    ['a type within anyOf', (d) => (specOf(d).anyOf = [{ properties: { a: { type: 'string', description: 'x' } } }, { required: ['b'] }]), [
      `${at}.properties[spec].anyOf[0].properties[a].description: Forbidden: must be empty to be structural`, `${at}.properties[spec].anyOf[0].properties[a].type: Forbidden: must be empty to be structural`,
    ]],
    ['a field that only anyOf knows', (d) => (schemaOf(d).anyOf = [{ properties: { spec: { properties: { z: { minimum: 1 } } } } }]), [`${at}.properties[spec].properties[z]: Required value: because it is defined in ${at}.anyOf[0].properties[spec].properties[z]`]],
    ['int-or-string by anyOf', (d) => (specOf(d).properties.p = { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] }), []],
    ['int-or-string with more', (d) => (specOf(d).properties.p = { 'x-kubernetes-int-or-string': true, allOf: [{ anyOf: [{ type: 'integer' }, { type: 'string' }] }, { pattern: 'x' }] }), []],
    ['int-or-string that keeps all', (d) => (specOf(d).properties.p = { 'x-kubernetes-int-or-string': true, 'x-kubernetes-preserve-unknown-fields': true }), [`${at}.properties[spec].properties[p].x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true`]],
    ['metadata', (d) => (schemaOf(d).properties.metadata = { type: 'object', properties: { labels: { type: 'object' } } }), [`${at}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified`]],
    ['names in metadata', (d) => (schemaOf(d).properties.metadata = { type: 'object', properties: { name: { type: 'string', maxLength: 3 } } }), []],
    ['kind as a number', (d) => (schemaOf(d).properties.kind = { type: 'integer' }), [`${at}.properties[kind].type: Invalid value: "integer": must be string`]],
    ['additionalProperties at the root', (d) => (d.spec.versions[0].schema.openAPIV3Schema = { type: 'object', additionalProperties: { type: 'string' } }), [`${at}.additionalProperties: Forbidden: must not be used at the root`]],
    ['both kinds of properties', (d) => (specOf(d).additionalProperties = { type: 'string' }), [`${at}.properties[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`]],
    ['uniqueItems', (d) => (specOf(d).properties.l.uniqueItems = true), [`${at}.properties[spec].properties[l].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`]],
    ['a reference', (d) => (specOf(d).properties.a = { $ref: '#/x' }), [`${at}.properties[spec].properties[a].$ref: Forbidden: $ref is not supported`]],
    ['a list of item schemas', (d) => (specOf(d).properties.l.items = [{ type: 'string' }]), [`${at}.properties[spec].properties[l].items: Forbidden: items must be a schema object and not an array`]],
    ['$schema alone', (d) => (schemaOf(d).$schema = 'x'), [`${at}: Invalid value: "": OpenAPIV3Schema 'schema' is not supported`]],
    ['a pattern', (d) => (specOf(d).properties.a.pattern = '(a'), [`${at}.properties[spec].properties[a].pattern: Invalid value: "(a": must be a valid regular expression, but isn't: error parsing regexp: missing closing ): \`(a\``]],
    ['nullable', (d) => (schemaOf(d).nullable = true), [`${at}.nullable: Forbidden: nullable cannot be true at the root`]],
    ['embedded without anything', (d) => (specOf(d).properties.e = { type: 'object', 'x-kubernetes-embedded-resource': true }), [`${at}.properties[spec].properties[e].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields`]],
    ['preserving false', (d) => (specOf(d)['x-kubernetes-preserve-unknown-fields'] = false), [`${at}.properties[spec].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined`]],
    ['a map without keys', (d) => (specOf(d).properties.l = { type: 'array', 'x-kubernetes-list-type': 'map', items: { type: 'object', properties: { k: { type: 'string' } } } }), [`${at}.properties[spec].properties[l].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map`]],
    ['an optional key', (d) => (specOf(d).properties.l = { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k', 'z'], items: { type: 'object', properties: { k: { type: 'string' } } } }), [
      `${at}.properties[spec].properties[l].x-kubernetes-list-map-keys: Invalid value: ["k","z"]: entries must all be names of item properties`,
      `${at}.properties[spec].properties[l].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
    ]],
    ['keys without a map', (d) => (specOf(d).properties.l['x-kubernetes-list-map-keys'] = ['k']), [`${at}.properties[spec].properties[l].x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty`]],
    ['a set of granular objects', (d) => (specOf(d).properties.l = { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'object' } }), [`${at}.properties[spec].properties[l].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set`]],
    ['a list type of an object', (d) => (specOf(d)['x-kubernetes-list-type'] = 'set'), [`${at}.properties[spec].type: Invalid value: "object": must be array if x-kubernetes-list-type is specified`]],
    ['a map type', (d) => (specOf(d)['x-kubernetes-map-type'] = 'x'), [`${at}.properties[spec].x-kubernetes-map-type: Unsupported value: "x": supported values: "atomic", "granular"`]],
    ['a default of the wrong type', (d) => (specOf(d).default = { n: 'x' }), [`${at}.properties[spec].default.n: Invalid value: "string": n in body must be of type integer: "string"`]],
    ['a default with unknown fields', (d) => (specOf(d).default = { z: 1 }), [`${at}.properties[spec].default: Invalid value: {"z":1}: must not have unknown fields`]],
    ['a default at the root', (d) => (schemaOf(d).properties.kind = { type: 'string', default: 'Foo' }), [`${at}.properties[kind].default: Forbidden: must not be set in top-level kind`]],
    ['rules', (d) => (specOf(d)['x-kubernetes-validations'] = [{ rule: ' ' }, { rule: 'true', message: 'a\nb' }, { rule: 'true', fieldPath: '.zzz', reason: 'x' }]), [
      `${at}.properties[spec].x-kubernetes-validations[0].rule: Required value: rule is not specified`, `${at}.properties[spec].x-kubernetes-validations[1].message: Invalid value: "a\\nb": message must not contain line breaks`,
      `${at}.properties[spec].x-kubernetes-validations[2].reason: Unsupported value: "x": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"`, `${at}.properties[spec].x-kubernetes-validations[2].fieldPath: Invalid value: ".zzz": fieldPath must be a valid path`,
    ]],
  ])('is told of %s', (_what, spoil, expected) => expect(problems(spoil)).toEqual(expected));

  it('has little at the root beside a status', () => {
    const [text = ''] = problems((d) => ((d.spec.versions[0].subresources = { status: {} }), (schemaOf(d).anyOf = [{ required: ['spec'] }])));
    expect(text).toMatch(/^spec\.validation\.openAPIV3Schema: Invalid value: \{.*\}: only \[Description Type Format .* Example XPreserveUnknownFields XValidations\] fields are allowed at the root of the schema if the status subresource is enabled$/);
  });
});

describe('an update', () => {
  const changed = (spoil: Spoil, established = true): string[] => {
    const old = good();
    if (established) old.status.conditions = [{ type: 'Established', status: 'True' }];
    const definition = structuredClone(old);
    spoil(definition);
    return told(validateDefinitionUpdate(definition, old));
  };
  it('keeps what objects are stored by', () => {
    expect(changed((d) => (d.spec.scope = 'Cluster'))).toEqual(['spec.scope: Invalid value: "Cluster": field is immutable']);
    expect(changed((d) => (d.spec.scope = 'Cluster'), false)).toEqual([]);
    expect(changed((d) => (d.spec.versions[0].name = 'v2'))).toEqual([
      'status.storedVersions: Invalid value: ["v1"]: must have the storage version v2',
      'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions',
    ]);
  });
  it('may not bring in certificates that cannot be read, once served', () => {
    const webhook: Spoil = (d) => (d.spec.conversion = { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: 'https://x.y', caBundle: 'eA==' } } });
    expect(changed(webhook)).toEqual(['spec.conversion.webhookClientConfig.caBundle: Invalid value: "eA==": unable to load root certificates: unable to parse bytes as PEM block']);
    expect(changed(webhook, false)).toEqual([]);
  });
});
