import { type Descriptions, type Flavor, type JsonObject, type OpenApiKind, type Operation, refPrefix } from './model.ts';
import { groupName, groupPath, groupTag, operationsOf, versionName } from './operations.ts';
import { type SchemaWriter, writeDefinition } from './schemas.ts';

export interface OpenApiOptions {
  /** e.g. `v1.36.0`. */
  readonly version?: string;
  readonly descriptions?: Descriptions;
}

const queryTypes: Readonly<Record<string, string>> = {
  allowWatchBookmarks: 'boolean',
  force: 'boolean',
  gracePeriodSeconds: 'integer',
  ignoreStoreReadErrorWithClusterBreakingPotential: 'boolean',
  limit: 'integer',
  orphanDependents: 'boolean',
  sendInitialEvents: 'boolean',
  timeoutSeconds: 'integer',
  watch: 'boolean',
};

function queryParameter(name: string, flavor: Flavor): JsonObject {
  const type = queryTypes[name] ?? 'string';
  const base = { name, in: 'query' };
  return flavor === 'v3' ? { ...base, schema: { type, uniqueItems: true } } : { ...base, type, uniqueItems: true };
}

function pathParameters(path: string, flavor: Flavor): JsonObject[] {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const own = names.map((name) => {
    const base = { name, in: 'path', required: true };
    return flavor === 'v3' ? { ...base, schema: { type: 'string', uniqueItems: true } } : { ...base, type: 'string', uniqueItems: true };
  });
  return [...own, queryParameter('pretty', flavor)];
}

const codeTexts: Readonly<Record<number, string>> = { 200: 'OK', 201: 'Created', 202: 'Accepted', 401: 'Unauthorized' };

function answerSchema(operation: Operation, flavor: Flavor): JsonObject {
  return operation.answer ? { $ref: `${refPrefix[flavor]}${operation.answer}` } : { type: 'string' };
}

function content(types: readonly string[], schema: JsonObject): JsonObject {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}

function common(operation: Operation): JsonObject {
  const { target } = operation;
  return {
    tags: [operation.tag],
    description: operation.description,
    operationId: operation.operationId,
    ...(operation.action ? { 'x-kubernetes-action': operation.action } : {}),
    ...(target ? { 'x-kubernetes-group-version-kind': { group: target.group, kind: target.kind, version: target.version } } : {}),
  };
}

function operationV3(operation: Operation): JsonObject {
  const { body, query, codes, consumes, produces } = operation;
  const responses = codes.map((code) => {
    const description = codeTexts[code] ?? '';
    return [String(code), code === 401 ? { description } : { description, content: content(produces, answerSchema(operation, 'v3')) }];
  });
  return {
    ...common(operation),
    ...(query.length > 0 ? { parameters: query.map((name) => queryParameter(name, 'v3')) } : {}),
    ...(body ? { requestBody: { content: content(consumes, { $ref: `${refPrefix.v3}${body}` }), ...(operation.isBodyRequired ? { required: true } : {}) } } : {}),
    responses: Object.fromEntries(responses),
  };
}

function operationV2(operation: Operation): JsonObject {
  const { body, query, codes, consumes, produces } = operation;
  const responses = codes.map((code) => {
    const description = codeTexts[code] ?? '';
    return [String(code), code === 401 ? { description } : { description, schema: answerSchema(operation, 'v2') }];
  });
  const bodyParameter = body ? [{ name: 'body', in: 'body', ...(operation.isBodyRequired ? { required: true } : {}), schema: { $ref: `${refPrefix.v2}${body}` } }] : [];
  return {
    ...common(operation),
    consumes,
    produces,
    schemes: ['https'],
    parameters: [...bodyParameter, ...query.map((name) => queryParameter(name, 'v2'))],
    responses: Object.fromEntries(responses),
  };
}

function renderPaths(operations: readonly Operation[], flavor: Flavor): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const operation of operations) {
    const item = (paths[operation.path] ??= { parameters: pathParameters(operation.path, flavor) });
    item[operation.method] = flavor === 'v3' ? operationV3(operation) : operationV2(operation);
  }
  return paths;
}

const types = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';

function discoveryOperation(more: Pick<Operation, 'path' | 'operationId' | 'description' | 'tag' | 'answer'> & Partial<Operation>): Operation {
  return { method: 'get', action: '', target: undefined, consumes: types, produces: types, query: [], isBodyRequired: false, codes: [200, 401], ...more };
}

function resourceListOperation(group: string, version: string): Operation {
  return discoveryOperation({
    path: `${groupPath(group, version)}/`, operationId: `get${versionName(group, version)}APIResources`, description: 'get available resources', tag: `${groupTag(group)}_${version}`, answer: `${meta}APIResourceList`,
  });
}

const groupOperation = (group: string): Operation =>
  discoveryOperation({ path: `/apis/${group}/`, operationId: `get${groupName(group)}APIGroup`, description: 'get information of a group', tag: groupTag(group), answer: `${meta}APIGroup` });

/** What is served besides resources, in the document of everything. */
const rootOperations: readonly Operation[] = [
  discoveryOperation({ path: '/.well-known/openid-configuration/', operationId: 'getServiceAccountIssuerOpenIDConfiguration', description: 'get service account issuer OpenID configuration, also known as the "OIDC discovery doc"', tag: 'WellKnown', answer: '', consumes: [], produces: ['application/json'] }),
  discoveryOperation({ path: '/api/', operationId: 'getCoreAPIVersions', description: 'get available API versions', tag: 'core', answer: `${meta}APIVersions` }),
  discoveryOperation({ path: '/apis/', operationId: 'getAPIVersions', description: 'get available API versions', tag: 'apis', answer: `${meta}APIGroupList` }),
  discoveryOperation({ path: '/openid/v1/jwks/', operationId: 'getServiceAccountIssuerOpenIDKeyset', description: 'get service account issuer OpenID JSON Web Key Set (contains public token verification keys)', tag: 'openid', answer: '', consumes: [], produces: ['application/jwk-set+json'] }),
  discoveryOperation({ path: '/version/', operationId: 'getCodeVersion', description: 'get the version information for this server', tag: 'version', answer: 'io.k8s.apimachinery.pkg.version.Info', consumes: ['application/json'], produces: ['application/json'] }),
];

function makeWriter(flavor: Flavor, kinds: readonly OpenApiKind[], descriptions: Descriptions): SchemaWriter {
  const custom = new Map<string, OpenApiKind>();
  for (const kind of kinds) {
    if (!kind.customSchema) continue;
    custom.set(kind.definition, kind);
    custom.set(`${kind.definition.slice(0, kind.definition.lastIndexOf('.'))}.${kind.listKind}`, kind);
  }
  return { flavor, descriptions, done: new Map(), custom };
}

function writeSchemas(writer: SchemaWriter, operations: readonly Operation[]): JsonObject {
  for (const { body, answer } of operations) {
    for (const name of [body, answer]) if (name) writeDefinition(writer, name);
  }
  return Object.fromEntries([...writer.done].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const bearer = { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' };

/** The OpenAPI v3 document of one group version, as `/openapi/v3/apis/GROUP/VERSION` serves it. */
export function openApiV3(group: string, version: string, kinds: readonly OpenApiKind[], options: OpenApiOptions = {}): JsonObject {
  const own = kinds.filter((kind) => kind.group === group && kind.version === version);
  const operations = [...own.flatMap(operationsOf), resourceListOperation(group, version)];
  const writer = makeWriter('v3', own, options.descriptions ?? {});
  const schemas = writeSchemas(writer, operations);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: options.version ?? 'v1.36.0' },
    paths: renderPaths(operations, 'v3'),
    components: { schemas, securitySchemes: { BearerToken: bearer } },
  };
}

/** The OpenAPI v2 document of all kinds, as `/openapi/v2` serves it; `encodeOpenApiV2` makes it protobuf. */
export function openApiV2(kinds: readonly OpenApiKind[], options: OpenApiOptions = {}): JsonObject {
  const versions = new Map(kinds.map((kind) => [groupPath(kind.group, kind.version), kind]));
  const lists = [...versions.values()].map((kind) => resourceListOperation(kind.group, kind.version));
  const groups = new Set(kinds.filter(({ group, customSchema }) => group !== '' && !customSchema).map(({ group }) => group));
  const operations = [...kinds.flatMap(operationsOf), ...lists, ...[...groups].map(groupOperation), ...rootOperations];
  const writer = makeWriter('v2', kinds, options.descriptions ?? {});
  const definitions = writeSchemas(writer, operations);
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: options.version ?? 'v1.36.0' },
    paths: renderPaths(operations, 'v2'),
    definitions,
    securityDefinitions: { BearerToken: bearer },
    security: [{ BearerToken: [] }],
  };
}
