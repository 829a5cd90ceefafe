import type { Line } from './transcript.ts';

const definition = (more: string, selectable: string): string => `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: RESOURCES.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: RESOURCES, singular: RESOURCE, kind: KIND, shortNames: [SHORT]}
  conversion:
    strategy: Webhook
    webhook: {conversionReviewVersions: [v1], clientConfig: {url: 'URL', caBundle: CABUNDLE}}
  versions:
  - name: v1
    served: true
    storage: true
    deprecated: true
    schema: {openAPIV3Schema: {type: object, properties: {hostPort: {type: string}}}}
  - name: v2
    served: true
    storage: false
    schema:
      openAPIV3Schema:
        type: object
        properties:
          host: {type: string, description: Where it runs.}
          port: {type: string}${more}
    selectableFields: [{jsonPath: .host}${selectable}]
    additionalPrinterColumns: [{name: Host, type: string, jsonPath: .host}, {name: Port, type: string, jsonPath: .port}]
`;

const first = `
apiVersion: stable.example.com/v1
kind: KIND
metadata: {name: first}
hostPort: left:80
`;

const second = `
apiVersion: stable.example.com/v2
kind: KIND
metadata: {name: second}
host: right
port: "90"
`;

export const files = {
  'versions.yaml': definition('', ''),
  'changed.yaml': definition('\n          zone: {type: string, description: Part of the world.}', ', {jsonPath: .port}'),
  'first.yaml': first,
  'second.yaml': second,
};

/** Two versions with a webhook between them, and a definition that changes while it is used. */
export const works: readonly Line[] = [
  ['create namespace NS', 'created'],
  ['apply -f FILES/versions.yaml', 'created'],
  ['wait --for condition=established crd/RESOURCES.stable.example.com --timeout=10s', 'condition met'],
  ['apply -f FILES/first.yaml', /RESOURCE\.stable\.example\.com\/first created\nWarning: stable\.example\.com\/v1 KIND is deprecated; use stable\.example\.com\/v2 KIND/],
  ['apply -f FILES/second.yaml', 'RESOURCE.stable.example.com/second created'],
  ['apply -f FILES/second.yaml', 'unchanged'],
  ['get SHORT', /NAME\s+HOST\s+PORT\nfirst\s+left\s+80\nsecond\s+right\s+90/],
  ['get RESOURCES.v1.stable.example.com second -o jsonpath={.apiVersion}/{.hostPort}', 'stable.example.com/v1/right:90'],
  ['patch SHORT first --type=merge -p {"port":"81"}', 'patched'],
  ['get RESOURCES.v1.stable.example.com first -o jsonpath={.hostPort}/{.metadata.generation}', 'left:81/2'],
  ['get SHORT --field-selector host=right -o name', 'RESOURCE.stable.example.com/second'],
  ['get SHORT --field-selector port=90', 'field label not supported: port', 1],
  ['explain SHORT.host', /host\b.*<string>[\s\S]*Where it runs\./],
  ['explain SHORT.zone', 'does not exist', 1],
  ['apply -f FILES/changed.yaml', 'configured'],
  ['explain SHORT.zone', /zone\b.*<string>[\s\S]*Part of the world\./],
  ['get SHORT --field-selector port=90 -o name', 'RESOURCE.stable.example.com/second'],
];

/** While the webhook is out of order. */
export const broken: readonly Line[] = [
  ['label RESOURCES.v1.stable.example.com first touched=yes', 'labeled'],
  ['get SHORT', 'conversion webhook for stable.example.com/v1, Kind=KIND failed: ', 1],
  ['get SHORT first', 'conversion webhook for stable.example.com/v1, Kind=KIND failed: ', 1],
  ['get RESOURCES.v1.stable.example.com first -o jsonpath={.hostPort}', 'left:81'],
  ['get configmaps', 'kube-root-ca.crt'],
];

export const end: readonly Line[] = [
  ['get SHORT first -o jsonpath={.host}', 'left'],
  ['delete namespace NS --timeout=30s', 'deleted'],
  ['delete crd RESOURCES.stable.example.com --timeout=20s', 'deleted'],
];
