/**
 * Writes libs/api/schema/definitions.ts, the compact table of every API definition and field, from facts about one
 * Kubernetes release. Needed only when moving to another release:
 *
 *   node tools/src/schema-tables.ts FACTS_FOLDER
 *
 * Input, tab-separated with a header line, one row a field:
 *
 *   openapi-fields-VERSION.tsv          definition, property, JSON type (string, integer, number, boolean, array, map,
 *                                       object, ref, or empty), format, item or reference, `required`, extensions
 *                                       (x-kubernetes-* without the prefix, as JSON); from the swagger document
 *   openapi-gvk-VERSION.tsv             definition, group, version, kind; from its x-kubernetes-group-version-kind
 *   kubernetes-proto-fields-VERSION.tsv package, `field`, message, field, number, label, type; from generated.proto files
 *
 * Output: text, one block a package. `@package group/version` opens a block, an unindented line a definition
 * (`Name flags`), an indented line a field: `name type number flags`, documented in libs/api/src/schema/table.ts.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { atomicStructs, isValueStruct, keyDefaults, plainNumbersAndBooleans, pointerStrings, pointerStringsByPackage } from './go-presence.ts';

interface Property {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly item: string;
  readonly required: boolean;
  readonly extensions: Record<string, unknown>;
}

interface WireField {
  readonly name: string;
  readonly number: string;
  readonly label: string;
  readonly type: string;
}

const builtin: Readonly<Record<string, string>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': 'quantity',
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'intOrString',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': 'time',
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': 'microTime',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Duration': 'duration',
  'io.k8s.apimachinery.pkg.runtime.RawExtension': 'rawExtension',
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1': 'fieldsV1',
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON': 'json',
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool': 'schemaOrBool',
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray': 'schemaOrArray',
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray': 'schemaOrStrings',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Patch': 'rawExtension',
};

/** Messages that clients exchange but the OpenAPI document leaves out, with the group and version they belong to. */
const wireOnly: Readonly<Record<string, string>> = {
  'io.k8s.apimachinery.pkg.apis.meta.v1.CreateOptions': '/v1',
  'io.k8s.apimachinery.pkg.apis.meta.v1.UpdateOptions': '/v1',
  'io.k8s.apimachinery.pkg.apis.meta.v1.PatchOptions': '/v1',
  'io.k8s.apimachinery.pkg.apis.meta.v1.GetOptions': '/v1',
  'io.k8s.apimachinery.pkg.apis.meta.v1.ListOptions': '/v1',
  'io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionKind': '',
  'io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata': 'meta.k8s.io/v1',
  'io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadataList': 'meta.k8s.io/v1',
  'io.k8s.api.apidiscovery.v2.APIGroupDiscovery': '',
  'io.k8s.api.apidiscovery.v2.APIGroupDiscoveryList': 'apidiscovery.k8s.io/v2',
  'io.k8s.api.apidiscovery.v2.APIResourceDiscovery': '',
  'io.k8s.api.apidiscovery.v2.APISubresourceDiscovery': '',
  'io.k8s.api.apidiscovery.v2.APIVersionDiscovery': '',
  'io.k8s.api.apidiscovery.v2beta1.APIGroupDiscovery': '',
  'io.k8s.api.apidiscovery.v2beta1.APIGroupDiscoveryList': 'apidiscovery.k8s.io/v2beta1',
  'io.k8s.api.apidiscovery.v2beta1.APIResourceDiscovery': '',
  'io.k8s.api.apidiscovery.v2beta1.APISubresourceDiscovery': '',
  'io.k8s.api.apidiscovery.v2beta1.APIVersionDiscovery': '',
  'io.k8s.metrics.pkg.apis.metrics.v1beta1.ContainerMetrics': '',
  'io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetrics': 'metrics.k8s.io/v1beta1',
  'io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetricsList': 'metrics.k8s.io/v1beta1',
  'io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics': 'metrics.k8s.io/v1beta1',
  'io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetricsList': 'metrics.k8s.io/v1beta1',
};

/** Its `verbs` are a message of their own on the wire. */
const verbsOwner = 'io.k8s.apimachinery.pkg.apis.meta.v1.APIResource';

function rows(folder: string, prefix: string): string[][] {
  const file = readdirSync(folder).find((name) => name.startsWith(prefix));
  if (!file) throw new Error(`no ${prefix}*.tsv in ${folder}`);
  const lines = readFileSync(`${folder}/${file}`, 'utf8').split('\n').slice(1);
  return lines.filter((line) => line !== '').map((line) => line.split('\t'));
}

function readDefinitions(folder: string): Map<string, Property[]> {
  const definitions = new Map<string, Property[]>();
  for (const [definition = '', name = '', type = '', format = '', item = '', required = '', extensions = ''] of rows(folder, 'openapi-fields')) {
    let properties = definitions.get(definition);
    if (!properties) definitions.set(definition, (properties = []));
    if (name === '') continue;
    const parsed = extensions ? (JSON.parse(extensions) as Record<string, unknown>) : {};
    properties.push({ name, type, format, item, required: required === 'required', extensions: parsed });
  }
  return definitions;
}

/** `k8s.io.api.core.v1` is `io.k8s.api.core.v1` in OpenAPI; protobuf package names have no dashes. */
function definitionName(messageName: string): string {
  return messageName
    .replace(/^\.?k8s\.io\./, 'io.k8s.')
    .replace('apiextensions_apiserver', 'apiextensions-apiserver')
    .replace('kube_aggregator', 'kube-aggregator');
}

function readMessages(folder: string): Map<string, WireField[]> {
  const messages = new Map<string, WireField[]>();
  for (const [pkg = '', , message = '', name = '', number = '', label = '', type = ''] of rows(folder, 'kubernetes-proto-fields')) {
    const key = definitionName(`${pkg}.${message}`);
    const local = /^[A-Z][A-Za-z0-9]*$/.test(type);
    const full = local ? definitionName(`${pkg}.${type}`) : definitionName(type);
    messages.set(key, [...(messages.get(key) ?? []), { name, number, label, type: full }]);
  }
  return messages;
}

/** Packages whose generated.proto is not among the facts, and the later version that has the same messages with the same numbers. */
const sameOnTheWire: Readonly<Record<string, string>> = { 'io.k8s.api.admissionregistration.v1alpha1': 'io.k8s.api.admissionregistration.v1beta1' };

function addMissing(messages: Map<string, WireField[]>): void {
  for (const [pkg, later] of Object.entries(sameOnTheWire)) {
    const moved = (name: string): string => (packageOf(name) === later ? `${pkg}.${shortOf(name)}` : name);
    const known = [...messages].filter(([name]) => packageOf(name) === later && !messages.has(moved(name)));
    for (const [name, fields] of known) messages.set(moved(name), fields.map((field) => ({ ...field, type: moved(field.type) })));
  }
}

const bare = (name: string): string => name.replace(/[^A-Za-z0-9]/g, '').toLowerCase();

/** Field numbers of a definition's properties; a property of an embedded Go struct has a path such as `2.1`. */
function wirePaths(options: { message: string; properties: readonly string[]; messages: Map<string, WireField[]>; depth?: number }): Map<string, string> {
  const { message, properties, messages, depth = 0 } = options;
  const paths = new Map<string, string>();
  const byBareName = new Map(properties.map((name) => [bare(name), name]));
  for (const field of messages.get(message) ?? []) {
    const property = byBareName.get(bare(field.name));
    if (property !== undefined) {
      paths.set(property, field.number);
    } else if (depth < 4) {
      const inner = wirePaths({ message: field.type, properties, messages, depth: depth + 1 });
      for (const [name, path] of inner) paths.set(name, `${field.number}.${path}`);
    }
  }
  return paths;
}

function packageOf(definition: string): string {
  return definition.slice(0, definition.lastIndexOf('.'));
}

function shortOf(definition: string): string {
  return definition.slice(definition.lastIndexOf('.') + 1);
}

function reference(name: string, fromPackage: string): string {
  const known = builtin[name];
  if (known) return known;
  return packageOf(name) === fromPackage ? shortOf(name) : name;
}

function typeCode(property: Property, fromPackage: string): string {
  const scalar = (type: string, format: string): string => {
    if (type === 'string') return format === 'byte' ? 'bytes' : 'string';
    if (type === 'integer') return format === 'int64' ? 'int64' : 'int32';
    return type === 'number' ? 'double' : type;
  };
  const item = (text: string): string => {
    const [type = '', format = ''] = text.split(':');
    if (text === 'array[string]') return '[]string';
    return text.startsWith('io.') ? reference(text, fromPackage) : scalar(type, format);
  };
  if (property.type === 'array') return `[]${item(property.item)}`;
  if (property.type === 'map') return `{}${item(property.item)}`;
  if (property.type === 'ref') return reference(property.item, fromPackage);
  return scalar(property.type, property.format);
}

function dropsZero(definition: string, property: Property, type: string): boolean {
  const key = `${shortOf(definition)}.${property.name}`;
  if (property.required) return false;
  if (type === 'string') return !pointerStrings.has(key) && !pointerStringsByPackage.has(`${definition}.${property.name}`);
  if (type === 'bytes' || type.startsWith('[]') || type.startsWith('{}')) return true;
  return plainNumbersAndBooleans.has(key);
}

function flags(definition: string, property: Property, type: string): string[] {
  const x = property.extensions;
  const out: string[] = [];
  if (definition === verbsOwner && property.name === 'verbs') out.push('wrapped');
  if (property.required) out.push('!');
  if (dropsZero(definition, property, type)) out.push('z');
  if (property.type === 'ref' && !builtin[property.item] && isValueStruct(definition, property.name, property.item)) out.push('v');
  if (x['list-type']) out.push(x['list-type'] === 'map' ? `map:${(x['list-map-keys'] as string[]).join(',')}` : String(x['list-type']));
  if (x['map-type']) out.push(`m:${String(x['map-type'])}`);
  if (x['patch-strategy']) out.push(`ps:${String(x['patch-strategy'])}`);
  if (x['patch-merge-key']) out.push(`mk:${String(x['patch-merge-key'])}`);
  const keyDefault = keyDefaults[`${definition}.${property.name}`];
  if (keyDefault) out.push(`=${keyDefault}`);
  return out;
}

/** Properties of a message that OpenAPI leaves out, as its protobuf fields tell. */
function propertiesOfMessage(fields: readonly WireField[], isKind: boolean): Property[] {
  const jsonOf = (type: string): { type: string; format: string } => {
    if (type === 'int32' || type === 'int64') return { type: 'integer', format: type };
    if (type === 'bool') return { type: 'boolean', format: '' };
    return type === 'bytes' ? { type: 'string', format: 'byte' } : { type: 'string', format: '' };
  };
  const base = { item: '', required: false, extensions: {} };
  const typeMeta = isKind ? ['apiVersion', 'kind'].map((name) => ({ ...base, name, type: 'string', format: '' })) : [];
  const rest = fields.map((field): Property => {
    const map = /^map<string,\.?(.*)>$/.exec(field.type);
    if (map) return { ...base, name: field.name, type: 'map', format: '', item: definitionName(map[1] ?? '') };
    const isMessage = field.type.includes('.');
    if (field.label === 'repeated') return { ...base, name: field.name, type: 'array', format: '', item: isMessage ? field.type : jsonOf(field.type).type };
    return isMessage ? { ...base, name: field.name, type: 'ref', format: '', item: field.type } : { ...base, name: field.name, ...jsonOf(field.type) };
  });
  return [...typeMeta, ...rest];
}

function main(folder: string, out: string): void {
  const definitions = readDefinitions(folder);
  const messages = readMessages(folder);
  addMissing(messages);
  const kinds = new Map<string, string[]>();
  for (const [definition = '', group = '', version = ''] of rows(folder, 'openapi-gvk')) {
    kinds.set(definition, [...(kinds.get(definition) ?? []), `${group}/${version}`]);
  }
  for (const [name, groupVersion] of Object.entries(wireOnly)) {
    definitions.set(name, propertiesOfMessage(messages.get(name) ?? [], groupVersion !== ''));
    if (groupVersion) kinds.set(name, [groupVersion]);
  }
  let text = '';
  let at = '';
  for (const definition of [...definitions.keys()].sort()) {
    if (builtin[definition]) continue;
    const properties = definitions.get(definition) ?? [];
    const pkg = packageOf(definition);
    if (pkg !== at) text += `@${(at = pkg)}\n`;
    const served = kinds.get(definition) ?? [];
    const kindFlags = served.length > 1 ? ['k:*'] : served.map((gv) => `k:${gv}`);
    if (atomicStructs.has(definition)) kindFlags.push('atomic');
    if (wireOnly[definition] !== undefined) kindFlags.push('wire');
    text += `${[shortOf(definition), ...kindFlags].join(' ')}\n`;
    const paths = wirePaths({ message: definition, properties: properties.map((p) => p.name), messages });
    for (const property of properties) {
      const type = typeCode(property, pkg);
      const path = paths.get(property.name) ?? '-';
      const typeMeta = property.name === 'apiVersion' || property.name === 'kind';
      if (path === '-' && messages.has(definition) && !typeMeta) throw new Error(`no protobuf field for ${definition}.${property.name}`);
      text += ` ${[property.name, type, path, ...flags(definition, property, type)].join(' ')}\n`;
    }
  }
  const header = '/** Generated by tools/src/schema-tables.ts; its format is told in ../src/schema/table.ts. */\n';
  writeFileSync(out, `${header}export const definitionsText = \`\n${text}\`;\n`);
}

const [folder = ''] = process.argv.slice(2);
main(folder, new URL('../../libs/api/schema/definitions.ts', import.meta.url).pathname);
