import type { Line } from './transcript.ts';

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: RESOURCES.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: RESOURCES, singular: RESOURCE, kind: KIND, shortNames: [SHORT], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        description: KIND runs an image on a schedule.
        properties:
          spec:
            type: object
            description: What to run, and when.
            required: [cronSpec]
            x-kubernetes-validations:
            - {rule: '!has(self.mode) || self.mode != "slow" || self.replicas < 9', message: slow ones are few}
            properties:
              cronSpec: {type: string, description: When to run., pattern: '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$'}
              image: {type: string, default: busybox}
              replicas: {type: integer, minimum: 1, maximum: 10, default: 1}
              mode: {type: string, enum: [fast, slow]}
              port: {x-kubernetes-int-or-string: true}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
          status:
            type: object
            properties:
              replicas: {type: integer}
              selector: {type: string}
              conditions: {type: array, items: {type: object, properties: {type: {type: string}, status: {type: string}}}}
    selectableFields: [{jsonPath: .spec.mode}]
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Image, type: string, jsonPath: .spec.image, priority: 1}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
  - name: v1alpha1
    served: true
    storage: false
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`;

const instance = `
apiVersion: stable.example.com/v1
kind: KIND
metadata: {name: one, labels: {app: one}}
spec: {cronSpec: '* * * * *', mode: fast, port: 80, free: {any: {thing: [1]}}}
`;

const wrong = `
apiVersion: stable.example.com/v1
kind: KIND
metadata: {name: bad}
spec: {cronSpec: x, replicas: 50, mode: odd, port: true, image: 1}
`;

const unknown = `
apiVersion: stable.example.com/v1
kind: KIND
metadata: {name: bad}
spec: {cronSpec: '* * * * *', extra: 1}
`;

const owner = `
apiVersion: v1
kind: ResourceQuota
metadata: {name: few}
spec: {hard: {count/RESOURCES.stable.example.com: '1'}}
`;

/** Names of its own for every program, so that several play at once on one cluster. */
export interface Names {
  readonly kind: string;
  readonly short: string;
}

export function named(text: string, { kind, short }: Names): string {
  return text.replaceAll('RESOURCES', `${kind.toLowerCase()}s`).replaceAll('RESOURCE', kind.toLowerCase()).replaceAll('KIND', kind).replaceAll('SHORT', short);
}

export const files = { 'crd.yaml': definition, 'cr.yaml': instance, 'wrong.yaml': wrong, 'unknown.yaml': unknown, 'quota.yaml': owner };

/** From the definition to its first instance, and what is seen of both. */
export const life: readonly Line[] = [
  ['create namespace NS', 'created'],
  ['get SHORT', /doesn't have a resource type "SHORT"/, 1],
  ['apply -f FILES/crd.yaml', 'customresourcedefinition.apiextensions.k8s.io/RESOURCES.stable.example.com created'],
  ['wait --for condition=established crd/RESOURCES.stable.example.com --timeout=10s', 'condition met'],
  ['get crd RESOURCES.stable.example.com', /RESOURCES\.stable\.example\.com\s+20\d\d-/],
  ['apply -f FILES/cr.yaml', 'RESOURCE.stable.example.com/one created'],
  ['apply -f FILES/cr.yaml', 'RESOURCE.stable.example.com/one unchanged'],
  ['get SHORT', /NAME\s+SPEC\s+READY\s+REPLICAS\s+AGE\none\s+\* \* \* \* \*\s+1\s+\d+s/],
  ['get RESOURCE one -o wide', /IMAGE\s+REPLICAS\s+AGE\none .*busybox\s+1/],
  ['get all', 'RESOURCE.stable.example.com/one'],
  ['get SHORT -o jsonpath={.items[0].spec}', '{"cronSpec":"* * * * *","free":{"any":{"thing":[1]}},"image":"busybox","mode":"fast","port":80,"replicas":1}'],
  ['explain SHORT.spec.cronSpec', /cronSpec\b.*<string>[\s\S]*When to run\./],
  ['explain SHORT', /KIND runs an image on a schedule\.[\s\S]*APIVersion defines the versioned schema/],
  ['api-resources --api-group=stable.example.com', /RESOURCES\s+SHORT\s+stable\.example\.com\/v1\s+true\s+KIND/],
  ['describe SHORT one', /Cron Spec:\s+\* \* \* \* \*/],
];

export const changes: readonly Line[] = [
  ['patch SHORT one --type=merge -p {"spec":{"mode":"slow"}}', 'patched'],
  ['patch SHORT one --type=json -p [{"op":"replace","path":"/spec/mode","value":"fast"}]', 'patched'],
  ['patch SHORT one --type=strategic -p {"spec":{"mode":"slow"}}', 'application/strategic-merge-patch+json is not supported', 1],
  ['label SHORT one tier=back', 'labeled'],
  ['get SHORT one -o jsonpath={.metadata.generation}', '3'],
  ['scale SHORT/one --replicas=4', 'scaled'],
  ['get SHORT one -o jsonpath={.spec.replicas}/{.metadata.generation}', '4/4'],
  ['patch SHORT one --type=merge -p {"spec":{"mode":"slow","replicas":9}}', 'spec: Invalid value: "object": slow ones are few', 1],
  ['scale SHORT/one --replicas=40', 'spec.replicas in body should be less than or equal to 10', 1],
  ['patch SHORT one --subresource=status --type=merge -p {"spec":{"mode":"slow"},"status":{"replicas":2,"conditions":[{"type":"Ready","status":"True"}]}}', 'patched'],
  ['get SHORT one -o jsonpath={.spec.mode}/{.status.replicas}/{.metadata.generation}', 'fast/2/4'],
  ['wait --for condition=Ready SHORT/one --timeout=5s', 'condition met'],
  ['get SHORT', /one\s+\* \* \* \* \*\s+True\s+4/],
  ['apply --server-side --field-manager=me --force-conflicts -f FILES/cr.yaml', 'serverside-applied'],
  ['diff -f FILES/cr.yaml', ''],
  ['get RESOURCES.v1alpha1.stable.example.com one -o jsonpath={.apiVersion}/{.spec.mode}', 'stable.example.com/v1alpha1/fast'],
  ['get SHORT --field-selector spec.mode=fast -o name', 'RESOURCE.stable.example.com/one'],
  ['get SHORT --field-selector spec.mode=slow', 'No resources found'],
  ['apply -f FILES/wrong.yaml', "spec.cronSpec: Invalid value: \"x\": spec.cronSpec in body should match '", 1],
  ['create --validate=false -f FILES/wrong.yaml', 'spec.image: Invalid value: "integer": spec.image in body must be of type string: "integer"', 1],
  ['create --validate=false -f FILES/wrong.yaml', 'spec.mode: Unsupported value: "odd": supported values: "fast", "slow"', 1],
  ['create --validate=strict -f FILES/unknown.yaml', 'unknown field "spec.extra"', 1],
  ['create --validate=warn --dry-run=server -f FILES/unknown.yaml', 'unknown field "spec.extra"'],
  ['apply -f FILES/quota.yaml', 'created'],
  ['wait --for jsonpath={.status.used.count/RESOURCES\\.stable\\.example\\.com}=1 resourcequota/few --timeout=90s', 'condition met'],
  ['create --validate=false -f FILES/unknown.yaml', /exceeded quota: few, requested: count\/RESOURCES\.stable\.example\.com=1/, 1],
  ['delete quota few', 'deleted'],
];

/** The collector and the end of a namespace, which learn of the kind by themselves; then the end of the definition. */
export const end: readonly Line[] = [
  ['create configmap owned', 'created'],
  ['patch configmap owned --type=merge -p {"metadata":{"ownerReferences":[{"apiVersion":"stable.example.com/v1","kind":"KIND","name":"one","uid":"UID"}]}}', 'patched'],
  ['delete SHORT one', 'deleted'],
  ['wait --for=delete configmap/owned --timeout=90s', ''],
  ['apply -f FILES/cr.yaml', 'created'],
  ['delete namespace NS --timeout=90s', 'deleted'],
  ['get SHORT -A', 'No resources found'],
  ['-n default apply -f FILES/cr.yaml', 'created'],
  ['delete crd RESOURCES.stable.example.com --timeout=90s', 'deleted'],
  ['get --raw /apis/stable.example.com/v1/namespaces/default/RESOURCES', 'the server could not find the requested resource', 1],
];
