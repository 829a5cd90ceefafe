export const group = 'wardle.example.com';
export const version = 'v1alpha1';
export const root = `/apis/${group}/${version}`;

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

export const resourceList = {
  kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${group}/${version}`,
  resources: [
    { name: 'flunders', singularName: 'flunder', namespaced: true, kind: 'Flunder', shortNames: ['fl'], verbs },
    { name: 'flunders/status', singularName: '', namespaced: true, kind: 'Flunder', verbs: ['get', 'patch', 'update'] },
  ],
};

export const groupDiscovery = (served: 'v2' | 'v2beta1'): object => ({
  kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${served}`, metadata: {},
  items: [{
    metadata: { name: group, creationTimestamp: null },
    versions: [{
      version, freshness: 'Current',
      resources: [{
        resource: 'flunders', responseKind: { group, version, kind: 'Flunder' }, scope: 'Namespaced', singularResource: 'flunder', verbs, shortNames: ['fl'],
        subresources: [{ subresource: 'status', responseKind: { group, version, kind: 'Flunder' }, verbs: ['get', 'patch', 'update'] }],
      }],
    }],
  }],
});

const gvk = [{ group, version, kind: 'Flunder' }];
const name = 'com.example.wardle.v1alpha1.Flunder';
/** Under the name of a definition of Kubernetes, and unlike it. */
const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

const definitions = {
  [name]: {
    description: 'Flunder is a thing of the sample server.', type: 'object', 'x-kubernetes-group-version-kind': gvk,
    properties: { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { $ref: `#/definitions/${meta}` }, spec: { type: 'object', properties: { reference: { type: 'string', description: 'What it refers to.' } } } },
  },
  [meta]: { description: 'Older than the one of this cluster.', type: 'object', properties: { name: { type: 'string' }, namespace: { type: 'string' }, labels: { type: 'object', additionalProperties: { type: 'string' } } } },
  'com.example.wardle.Unused': { type: 'object' },
};

export const swagger = {
  swagger: '2.0', info: { title: 'sample', version: 'v0' },
  paths: {
    '/healthz': { get: { responses: { 200: { description: 'OK' } } } },
    [`${root}/namespaces/{namespace}/flunders`]: {
      parameters: [{ name: 'namespace', in: 'path', required: true, type: 'string', uniqueItems: true }],
      post: {
        operationId: 'createFlunder', 'x-kubernetes-action': 'post', 'x-kubernetes-group-version-kind': gvk[0], consumes: ['*/*'], produces: ['application/json'],
        parameters: [
          { name: 'body', in: 'body', required: true, schema: { $ref: `#/definitions/${name}` } },
          { name: 'dryRun', in: 'query', type: 'string' }, { name: 'fieldManager', in: 'query', type: 'string' }, { name: 'fieldValidation', in: 'query', type: 'string' },
        ],
        responses: { 201: { description: 'Created', schema: { $ref: `#/definitions/${name}` } } },
      },
    },
  },
  definitions,
};
