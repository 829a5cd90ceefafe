import type { Line } from './transcript.ts';

/** Where the sample server stands: on this machine, under a name that the API server resolves. */
export const service = (port: number, caBundle: string): string => `
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {type: ExternalName, externalName: localhost}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1alpha1.wardle.example.com}
spec:
  group: wardle.example.com
  version: v1alpha1
  groupPriorityMinimum: 2000
  versionPriority: 200
  caBundle: ${caBundle}
  service: {namespace: wardle, name: api, port: ${port}}
`;

export const flunder = `
apiVersion: wardle.example.com/v1alpha1
kind: Flunder
metadata: {name: one, labels: {tier: front}}
spec: {reference: other}
`;

/** From the registration of another server to its first object, and what is seen of both. */
export const life: readonly Line[] = [
  ['get apiservices v1.apps', /NAME\s+SERVICE\s+AVAILABLE\s+AGE\nv1\.apps\s+Local\s+True\s+\d+/],
  ['get flunders', /doesn't have a resource type "flunders"/, 1],
  ['apply -f FILES/service.yaml', 'apiservice.apiregistration.k8s.io/v1alpha1.wardle.example.com created'],
  ['wait --for condition=Available apiservice/v1alpha1.wardle.example.com --timeout=20s', 'condition met'],
  ['get apiservice v1alpha1.wardle.example.com', /v1alpha1\.wardle\.example\.com\s+wardle\/api\s+True/],
  ['get apiservice v1alpha1.wardle.example.com -o jsonpath={.status.conditions[0].reason}/{.status.conditions[0].message}', 'Passed/all checks passed'],
  ['api-resources --api-group=wardle.example.com', /flunders\s+fl\s+wardle\.example\.com\/v1alpha1\s+true\s+Flunder/],
  ['api-versions', 'wardle.example.com/v1alpha1'],
  ['create -f FILES/flunder.yaml', 'flunder.wardle.example.com/one created'],
  ['get flunders', /NAME\s+AGE\none\s+/],
  ['get fl one -o jsonpath={.spec.reference}', 'other'],
  ['describe flunder one', /Reference:\s+other/],
  ['explain flunder.spec.reference', /reference <string>[\s\S]*What it refers to\./],
  ['get --raw /apis/wardle.example.com/v1alpha1/namespaces/NS/flunders/none', /flunders\.wardle\.example\.com "none" not found/, 1],
  ['auth can-i delete flunders.wardle.example.com', 'yes'],
  ['get flunders --as=jane', 'Error from server (Forbidden): flunders.wardle.example.com is forbidden: User "jane" cannot list resource "flunders" in API group "wardle.example.com" in the namespace "NS"', 1],
  ['delete flunder one', 'flunder.wardle.example.com "one" deleted'],
  ['get flunders', 'No resources found'],
];

/** The server is away. */
export const outage: readonly Line[] = [
  ['wait --for condition=Available=False apiservice/v1alpha1.wardle.example.com --timeout=50s', 'condition met'],
  ['get apiservice v1alpha1.wardle.example.com', 'False (FailedDiscoveryCheck)'],
  ['get --raw /apis/wardle.example.com/v1alpha1/flunders', /the server is currently unable to handle the request|service unavailable/, 1],
  ['get pods', 'No resources found'],
  ['get --raw /apis/wardle.example.com/v1alpha1', 'the server is currently unable to handle the request', 1],
  ['api-resources', /^(?!.*flunders)/s],
];

/** It is taken out again. */
export const end: readonly Line[] = [
  ['delete apiservice v1alpha1.wardle.example.com', 'deleted'],
  ['api-resources --api-group=wardle.example.com', /^(?!.*flunders)/s],
  ['get --raw /apis/wardle.example.com', 'the server could not find the requested resource', 1],
];
