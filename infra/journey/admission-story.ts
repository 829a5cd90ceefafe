import type { Line } from './transcript.ts';

const limits = `
apiVersion: v1
kind: ConfigMap
metadata: {name: limits, namespace: NS}
data: {maxReplicas: '3'}
`;

const rules = `
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
`;

const policy = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: replicas.NS.example.com}
spec:
  failurePolicy: Fail
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:${rules}
  matchConditions:
  - {name: no-robots, expression: "!request.userInfo.username.startsWith('system:')"}
  variables:
  - {name: most, expression: int(params.data.maxReplicas)}
  validations:
  - expression: object.spec.replicas <= variables.most
    messageExpression: "'at most ' + string(variables.most) + ' replicas, not ' + string(object.spec.replicas)"
    reason: Invalid
  auditAnnotations:
  - {key: asked, valueExpression: "string(object.spec.replicas)"}
`;

const binding = (actions: string): string => `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: replicas-NS}
spec:
  policyName: replicas.NS.example.com
  paramRef: {name: limits, parameterNotFoundAction: Deny}
  validationActions: [${actions}]
  matchResources:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}
`;

const mistaken = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: mistaken.NS.example.com}
spec:
  matchConstraints:${rules}
  validations:
  - {expression: object.spec.replicas <=}
  - {expression: "object.spec.replicas + 1"}
  variables:
  - {name: not-a-name, expression: 'true'}
`;

const typo = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: typo.NS.example.com}
spec:
  matchConstraints:${rules}
  validations:
  - {expression: object.spec.replica <= 5}
`;

const sidecar = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: sidecar.NS.example.com}
spec:
  failurePolicy: Fail
  reinvocationPolicy: IfNeeded
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}
    resourceRules:
    - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  matchConditions:
  - {name: not-yet, expression: "!object.spec.containers.exists(c, c.name == 'mesh')"}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: >
        Object{
          spec: Object.spec{
            containers: [Object.spec.containers{name: 'mesh', image: 'busybox', command: null}]
          }
        }
  - patchType: JSONPatch
    jsonPatch:
      expression: "[JSONPatch{op: 'add', path: '/metadata/annotations', value: {'meshed': 'yes'}}]"
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: sidecar-NS}
spec: {policyName: sidecar.NS.example.com}
`.replace(', command: null', '');

const webhooks = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: stamp-NS}
webhooks:
- name: stamp.NS.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  reinvocationPolicy: IfNeeded
  clientConfig: {url: 'URL/mutate', caBundle: BUNDLE}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}
  rules:
  - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  matchConditions:
  - {name: asked-for, expression: "!(object.metadata.name in ['kube-root-ca.crt', 'limits'])"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: judge-NS}
webhooks:
- name: judge.NS.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 2
  clientConfig: {url: 'URL/validate', caBundle: BUNDLE}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}
  rules:
  - {apiGroups: [''], apiVersions: [v1], operations: [CREATE, DELETE], resources: [configmaps]}
  - {apiGroups: [''], apiVersions: [v1], operations: [CONNECT], resources: [pods/exec]}
`;

export const files: Readonly<Record<string, string>> = {
  'limits.yaml': limits, 'policy.yaml': policy, 'deny.yaml': binding('Deny'), 'warn.yaml': binding('Warn, Audit'), 'mistaken.yaml': mistaken, 'typo.yaml': typo, 'sidecar.yaml': sidecar, 'webhooks.yaml': webhooks,
};

const denied = "ValidatingAdmissionPolicy 'replicas.NS.example.com' with binding 'replicas-NS' denied request: at most 3 replicas, not 5";

export const validating: readonly Line[] = [
  ['create namespace NS', 'created'],
  ['apply -f FILES/mistaken.yaml', /spec\.validations\[0\]\.expression: Invalid value: "object\.spec\.replicas <=": compilation failed: ERROR: <input>:1:24: Syntax error/, 1],
  ['apply -f FILES/mistaken.yaml', 'spec.variables[0].name: Invalid value: "not-a-name": name is not a valid CEL identifier', 1],
  ['apply -f FILES/policy.yaml', 'validatingadmissionpolicy.admissionregistration.k8s.io/replicas.NS.example.com created'],
  ['apply -f FILES/deny.yaml', 'validatingadmissionpolicybinding.admissionregistration.k8s.io/replicas-NS created'],
  ['get validatingadmissionpolicy replicas.NS.example.com', /NAME\s+VALIDATION.\s+PARAMKIND\s+AGE\nreplicas\.NS\.example\.com\s+1\s+v1\/ConfigMap\s+\d+s/],
  ['get validatingadmissionpolicybinding replicas-NS', /NAME\s+POLICYNAME\s+PARAMREF\s+AGE\nreplicas-NS\s+replicas\.NS\.example\.com\s+\*\/limits\s+\d+s/],
  ['create deployment web --image=nginx --replicas=5', 'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction', 1],
  ['apply -f FILES/limits.yaml', 'created'],
  ['create deployment web --image=nginx --replicas=5', `error: failed to create deployment: deployments.apps "web" is forbidden: ${denied}`, 1],
  ['create deployment web --image=nginx --replicas=3', 'created'],
  ['patch deployment web -p {"spec":{"replicas":5}}', denied, 1],
  ['apply -f FILES/warn.yaml', 'configured'],
  ['patch deployment web -p {"spec":{"replicas":5}}', "Warning: Validation failed for ValidatingAdmissionPolicy 'replicas.NS.example.com' with binding 'replicas-NS': at most 3 replicas, not 5"],
  ['delete validatingadmissionpolicybinding replicas-NS', 'deleted'],
  ['apply -f FILES/typo.yaml', 'created'],
  ['wait --for jsonpath={.status.observedGeneration}=1 validatingadmissionpolicy/typo.NS.example.com --timeout=60s', 'condition met'],
  ['get validatingadmissionpolicy typo.NS.example.com -o jsonpath={.status.typeChecking.expressionWarnings[0]}', "apps/v1, Kind=Deployment: ERROR: \\u003cinput\\u003e:1:12: undefined field 'replica'"],
  ['wait --for jsonpath={.status.observedGeneration}=1 validatingadmissionpolicy/replicas.NS.example.com --timeout=60s', 'condition met'],
  ['get validatingadmissionpolicy replicas.NS.example.com -o jsonpath={.status.typeChecking}', '{}'],
  ['delete validatingadmissionpolicy replicas.NS.example.com typo.NS.example.com', 'deleted'],
];

export const mutating: readonly Line[] = [
  ['apply -f FILES/sidecar.yaml', 'mutatingadmissionpolicybinding.admissionregistration.k8s.io/sidecar-NS created'],
  ['run plain --image=busybox --restart=Never --command -- sleep 60', 'pod/plain created'],
  ['get pod plain -o jsonpath={.spec.containers[*].name}/{.metadata.annotations.meshed}/{.spec.containers[1].imagePullPolicy}/{.spec.containers[1].volumeMounts[0].mountPath}', /^(plain mesh|mesh plain)\/yes\/Always\/\/var\/run\/secrets\/kubernetes\.io\/serviceaccount/],
  ['delete pod plain --now', 'deleted'],
  ['delete mutatingadmissionpolicybinding sidecar-NS', 'deleted'],
  ['delete mutatingadmissionpolicy sidecar.NS.example.com', 'deleted'],
];

export const called: readonly Line[] = [
  ['apply -f FILES/webhooks.yaml', 'validatingwebhookconfiguration.admissionregistration.k8s.io/judge-NS created'],
  ['create configmap good --from-literal=a=b', 'configmap/good created'],
  ['get configmap good -o jsonpath={.metadata.labels.stamped}', 'kubernetes-admin'],
  ['create configmap careful --from-literal=a=b', 'Warning: careful with that'],
  ['create configmap bad --from-literal=a=b', 'error: failed to create configmap: admission webhook "judge.NS.example.com" denied the request: no bad ones', 1],
  ['create configmap mute', 'admission webhook "judge.NS.example.com" denied the request without explanation', 1],
  ['create configmap good2 --dry-run=server', 'created (server dry run)'],
  ['delete configmap good', 'admission webhook "judge.NS.example.com" denied the request: good is here to stay', 1],
  ['create configmap slow', /Internal error occurred: failed calling webhook "judge\.NS\.example\.com": failed to call webhook: Post "https:\/\/127\.0\.0\.1:\d+\/validate\?timeout=2s": context deadline exceeded/, 1],
  ['run shell --image=busybox --restart=Never --command -- sleep 600', 'created'],
  ['wait --for condition=Ready pod/shell --timeout=30s', 'condition met'],
  ['exec shell -- echo hello', 'admission webhook "judge.NS.example.com" denied the request: nobody runs echo', 1],
  ['exec shell -- ls /', 'etc'],
  ['delete validatingwebhookconfiguration judge-NS', 'deleted'],
  ['delete mutatingwebhookconfiguration stamp-NS', 'deleted'],
  ['delete namespace NS --timeout=60s', 'deleted'],
];
