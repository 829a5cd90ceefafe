export const group = 'wardle.example.com';
export const version = 'v1alpha1';
export const groupVersion = `${group}/${version}`;
/** Path of the API's only version. */
export const root = `/apis/${groupVersion}`;

/** What the server knows of one of its resources. */
export interface SampleResource {
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly hasStatus: boolean;
}

export const resources: readonly SampleResource[] = [
  { plural: 'fischers', singular: 'fischer', kind: 'Fischer', namespaced: false, hasStatus: false },
  { plural: 'flunders', singular: 'flunder', kind: 'Flunder', namespaced: true, hasStatus: true },
];

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const statusVerbs = ['get', 'patch', 'update'];

const resourceList = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion,
  resources: resources.flatMap(({ plural, singular, kind, namespaced, hasStatus }) => [
    { name: plural, singularName: singular, namespaced, kind, verbs },
    ...(hasStatus ? [{ name: `${plural}/status`, singularName: '', namespaced, kind, verbs: statusVerbs }] : []),
  ]),
};

const gv = { groupVersion, version };
const apiGroup = { kind: 'APIGroup', apiVersion: 'v1', name: group, versions: [gv], preferredVersion: gv };

const aggregated = {
  kind: 'APIGroupDiscoveryList',
  apiVersion: 'apidiscovery.k8s.io/v2',
  metadata: {},
  items: [
    {
      metadata: { name: group, creationTimestamp: null },
      versions: [
        {
          version,
          freshness: 'Current',
          resources: resources.map(({ plural, singular, kind, namespaced, hasStatus }) => {
            const responseKind = { group, version, kind };
            return { resource: plural, responseKind, scope: namespaced ? 'Namespaced' : 'Cluster', singularResource: singular, verbs, ...(hasStatus ? { subresources: [{ subresource: 'status', responseKind, verbs: statusVerbs }] } : {}) };
          }),
        },
      ],
    },
  ],
};

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const strings = { type: 'array', items: { type: 'string' } };

/** The fields of each kind besides those that every object has. */
const fields: Readonly<Record<string, Readonly<Record<string, object>>>> = {
  Flunder: { spec: { type: 'object', properties: { reference: { type: 'string' }, referenceType: { type: 'string' } } }, status: { type: 'object' } },
  Fischer: { disallowedFlunders: strings },
};

function schemas(prefix: string): Record<string, object> {
  const meta1 = { type: 'object', properties: { name: { type: 'string' }, namespace: { type: 'string' }, labels: { type: 'object', additionalProperties: { type: 'string' } }, annotations: { type: 'object', additionalProperties: { type: 'string' } }, finalizers: strings } };
  const own = resources.map(({ kind }) => [
    `com.example.wardle.${version}.${kind}`,
    { type: 'object', properties: { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { $ref: `${prefix}${meta}` }, ...fields[kind] }, 'x-kubernetes-group-version-kind': [{ group, version, kind }] },
  ]);
  return { ...Object.fromEntries(own), [meta]: meta1 } as Record<string, object>;
}

const collection = ({ plural, namespaced }: SampleResource): string => (namespaced ? `${root}/namespaces/{namespace}/${plural}` : `${root}/${plural}`);

const swagger = {
  swagger: '2.0',
  info: { title: 'Wardle', version: '0.1' },
  paths: Object.fromEntries(
    resources.map((resource) => {
      const { kind, namespaced } = resource;
      const $ref = `#/definitions/com.example.wardle.${version}.${kind}`;
      const query = ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => ({ name, in: 'query', type: 'string', uniqueItems: true }));
      const post = { operationId: `createWardle${kind}`, 'x-kubernetes-action': 'post', 'x-kubernetes-group-version-kind': { group, version, kind }, consumes: ['*/*'], produces: ['application/json'], parameters: [{ name: 'body', in: 'body', required: true, schema: { $ref } }, ...query], responses: { 201: { description: 'Created', schema: { $ref } } } };
      return [collection(resource), { ...(namespaced ? { parameters: [{ name: 'namespace', in: 'path', required: true, type: 'string', uniqueItems: true }] } : {}), post }];
    }),
  ),
  definitions: schemas('#/definitions/'),
};

const openApi = {
  openapi: '3.0.0',
  info: { title: 'Wardle', version: '0.1' },
  paths: Object.fromEntries(
    resources.map((resource) => {
      const { kind, namespaced } = resource;
      const content = { 'application/json': { schema: { $ref: `#/components/schemas/com.example.wardle.${version}.${kind}` } } };
      const query = ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } }));
      const post = { operationId: `createWardle${kind}`, 'x-kubernetes-action': 'post', 'x-kubernetes-group-version-kind': { group, version, kind }, parameters: query, requestBody: { required: true, content }, responses: { 201: { description: 'Created', content } } };
      return [collection(resource), { ...(namespaced ? { parameters: [{ name: 'namespace', in: 'path', required: true, schema: { type: 'string', uniqueItems: true } }] } : {}), post }];
    }),
  ),
  components: { schemas: schemas('#/components/schemas/') },
};

/** A document of discovery or of the API's description; `accept` is what the client would like it to be. */
export function documentAt(path: string, accept: string): { body: object; type?: string } | undefined {
  switch (path) {
    case '/apis':
      if (/v=v2;(?:.*;)?as=APIGroupDiscoveryList|as=APIGroupDiscoveryList;(?:.*;)?v=v2(?:[;,]|$)/.test(accept)) return { body: aggregated, type: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' };
      return { body: { kind: 'APIGroupList', apiVersion: 'v1', groups: [apiGroup] } };
    case `/apis/${group}`:
      return { body: apiGroup };
    case root:
      return { body: resourceList };
    case '/openapi/v2':
      return { body: swagger };
    case '/openapi/v3':
      return { body: { paths: { [root.slice(1)]: { serverRelativeURL: `/openapi/v3${root}?hash=${version}` } } } };
    case `/openapi/v3${root}`:
      return { body: openApi };
    case '/version':
      return { body: { major: '1', minor: '33', gitVersion: 'v1.33.8', platform: 'linux/amd64' } };
    default:
      return undefined;
  }
}
