import type { Line } from './transcript.ts';

/** Reading: every output, every option of get, describe of every kind, what the server tells about itself. */
export const files: Readonly<Record<string, string>> = {
  'read/objects.yaml': `
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {app: x, tier: front}, annotations: {note: hi}}
data: {num: "3", text: one}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b, labels: {app: x}}
data: {num: "1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c, labels: {app: z}}
data: {num: "2"}
immutable: true
`,
  'read/columns.txt': 'NAME          NUMBER\nmetadata.name data.num\n',
  'read/template.gotmpl': '{{range .items}}{{.metadata.name}}={{.data.num}};{{end}}',
  'read/path.jsonpath': '{range .items[*]}{.metadata.name}:{.data.num}{"\\n"}{end}',
  'read/kinds.yaml': `
apiVersion: v1
kind: PersistentVolume
metadata: {name: NS}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: NS, hostPath: {path: /tmp/x}, claimRef: {namespace: other, name: nobody}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec: {accessModes: [ReadWriteOnce], storageClassName: NS, resources: {requests: {storage: 1Gi}}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: NS}
provisioner: example.com/none
parameters: {type: fast}
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec: {limits: [{type: Container, max: {cpu: "2"}, default: {cpu: 500m}, defaultRequest: {cpu: 100m}}]}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: rc}
spec: {replicas: 0, selector: {app: rc}, template: {metadata: {labels: {app: rc}}, spec: {containers: [{name: c, image: nginx}]}}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: rs}
spec: {replicas: 0, selector: {matchLabels: {app: rs}}, template: {metadata: {labels: {app: rs}}, spec: {containers: [{name: c, image: nginx}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: deploy}
spec: {replicas: 0, selector: {matchLabels: {app: deploy}}, template: {metadata: {labels: {app: deploy}}, spec: {containers: [{name: c, image: nginx}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: set}
spec: {replicas: 0, serviceName: svc, selector: {matchLabels: {app: set}}, template: {metadata: {labels: {app: set}}, spec: {containers: [{name: c, image: nginx}]}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: daemons}
spec: {selector: {matchLabels: {app: daemons}}, template: {metadata: {labels: {app: daemons}}, spec: {nodeSelector: {disk: none}, containers: [{name: c, image: nginx}]}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cron}
spec: {schedule: 0 0 1 1 *, suspend: true, jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: svc}
spec: {selector: {app: deploy}, ports: [{name: web, port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ing}
spec: {ingressClassName: NS, rules: [{host: NS.test, http: {paths: [{path: /x, pathType: Prefix, backend: {service: {name: svc, port: {name: web}}}}]}}]}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: NS}
spec: {controller: example.com/none}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: policy}
spec: {podSelector: {matchLabels: {app: deploy}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: hpa}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: deploy}, minReplicas: 1, maxReplicas: 3, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: pdb}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: deploy}}}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: NS}
value: 7
description: for reading
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: NS}
rules: [{apiGroups: [""], resources: [pods], resourceNames: [one], verbs: [get]}, {nonResourceURLs: [/x], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NS}
subjects: [{kind: ServiceAccount, name: sa, namespace: NS}, {apiGroup: rbac.authorization.k8s.io, kind: Group, name: NS-group}]
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: lease}
spec: {holderIdentity: me, leaseDurationSeconds: 15}
---
apiVersion: v1
kind: Secret
metadata: {name: secret}
type: Opaque
stringData: {key: value}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: sa}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota}
spec: {hard: {secrets: "20"}}
---
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: NS.example.com}
spec: {attachRequired: false}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: NS}
handler: none
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.NS.example.com}
spec:
  group: NS.example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList, shortNames: [wi], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size, description: How large}]
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, description: What is wanted, required: [size], properties: {size: {type: integer, description: How large}}}}}}
  - name: v1beta1
    served: true
    storage: false
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
`,
  'read/widget.yaml': 'apiVersion: NS.example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 4}\n',
};

const notRoot = '--field-selector=metadata.name!=kube-root-ca.crt';

export const outputs: readonly Line[] = [
  ['create namespace NS', 'namespace/NS created'],
  ['create -f read/objects.yaml', /^configmap\/a created\nconfigmap\/b created\nconfigmap\/c created\n$/],
  ['get configmap a', /^NAME {3}DATA {3}AGE\na {6}2 {6}\d+s\n$/],
  ['get configmap a -o wide --no-headers', /^a +2 +\d+s\n$/],
  ['get configmap a -o name', /^configmap\/a\n$/],
  ['get configmap a -o json', /^\{\n {4}"apiVersion": "v1",\n {4}"data": \{\n {8}"num": "3",\n {8}"text": "one"\n {4}\},\n {4}"kind": "ConfigMap",\n {4}"metadata": \{\n/],
  ['get configmap a -o yaml', /^apiVersion: v1\ndata:\n {2}num: "3"\n {2}text: one\nkind: ConfigMap\nmetadata:\n {2}annotations:\n {4}note: hi\n {2}creationTimestamp: "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"\n {2}labels:\n {4}app: x\n {4}tier: front\n {2}name: a\n {2}namespace: NS\n {2}resourceVersion: "\d+"\n {2}uid: [\da-f-]{36}\n$/],
  ['get configmap a -o yaml --show-managed-fields', /managedFields:\n {2}- apiVersion: v1\n {4}fieldsType: FieldsV1\n {4}fieldsV1:\n {6}f:data:\n {8}\.: {}\n {8}f:num: {}\n[\s\S]*manager: kubectl-create\n {4}operation: Update\n {4}time: /],
  [`get configmaps ${notRoot} -o json`, /"apiVersion": "v1",\n {4}"items": \[[\s\S]*"kind": "List",\n {4}"metadata": \{\n {8}"resourceVersion": ""\n {4}\}\n\}\n$/],
  ["get configmap a -o 'jsonpath={.data.num} {.metadata.labels}'", /^3 {"app":"x","tier":"front"}$/],
  [`get configmaps ${notRoot} -o 'jsonpath-as-json={.items[*].metadata.name}'`, /^\[\n {4}"a",\n {4}"b",\n {4}"c"\n\]\n$/],
  [`get configmaps ${notRoot} -o jsonpath-file=read/path.jsonpath`, /^a:3\nb:1\nc:2\n$/],
  ["get configmap a -o 'jsonpath={.nope}'", /^$/],
  ["get configmap a -o 'jsonpath={.nope}' --allow-missing-template-keys=false", 'nope is not found', 1],
  [`get configmaps ${notRoot} -o 'go-template={{range .items}}{{.metadata.name}} {{end}}'`, /^a b c $/],
  [`get configmaps ${notRoot} -o go-template-file=read/template.gotmpl`, /^a=3;b=1;c=2;$/],
  [`get configmaps ${notRoot} -o template '--template={{len .items}}'`, /^3$/],
  [`get configmaps ${notRoot} -o templatefile --template=read/template.gotmpl`, /^a=3;b=1;c=2;$/],
  [`get configmaps ${notRoot} -o custom-columns=NAME:.metadata.name,N:.data.num,NONE:.data.none`, /^NAME {3}N +NONE\na {6}3 +<none>\nb {6}1 +<none>\nc {6}2 +<none>\n$/],
  [`get configmaps ${notRoot} -o custom-columns=NAME:.metadata.name --no-headers`, /^a\nb\nc\n$/],
  [`get configmaps ${notRoot} -o custom-columns-file=read/columns.txt`, /^NAME {3}NUMBER\na {6}3\nb {6}1\nc {6}2\n$/],
  ['get configmap a -o custom-columns', 'custom-columns format specified but no custom columns given', 1],
  ['get configmap a -o nope', 'unable to match a printer suitable for the output format "nope", allowed formats are: ', 1],
  ['get configmap a -o yaml --server-print=false', 'kind: ConfigMap'],
  ['get configmap a --server-print=false', /^NAME {3}AGE\na {6}\d+s\n$/],
  ['get -f read/objects.yaml -o name', /^configmap\/a\nconfigmap\/b\nconfigmap\/c\n$/],
  ['get --raw /api/v1/namespaces/NS/configmaps/a', /^{"kind":"ConfigMap","apiVersion":"v1","metadata":{.*"data":{"num":"3","text":"one"}}\n?$/],
  ['get --raw /api/v1/namespaces/NS/configmaps/nope', 'Error from server (NotFound): configmaps "nope" not found', 1],
  ['__complete get -n NS configmaps a', /^a\n:4\n/],
  ['__complete get deploy', /^deployments\.apps\n:4\n/],
];

export const options: readonly Line[] = [
  [`get configmaps ${notRoot} --show-labels`, /^NAME {3}DATA {3}AGE {3,4}LABELS\na {6}2 {6}\d+s {2,4}app=x,tier=front\nb {6}1 {6}\d+s {2,4}app=x\nc /],
  [`get configmaps ${notRoot} -L app -L tier`, /^NAME {3}DATA {3}AGE {3,4}APP {3}TIER\na {6}2 {6}\d+s {2,4}x {5}front\nb {6}1 {6}\d+s {2,4}x {5}\nc {6}1 {6}\d+s {2,4}z {5}\n$/],
  ['get configmap a --show-kind', /^NAME {10}DATA {3}AGE\nconfigmap\/a {3}2 /],
  [`get configmaps ${notRoot} --sort-by=.data.num -o name`, /^configmap\/b\nconfigmap\/c\nconfigmap\/a\n$/],
  [`get configmaps ${notRoot} '--sort-by={.metadata.name}' --no-headers`, /^a .*\nb .*\nc .*\n$/],
  ['get configmaps -l app=x -o name', /^configmap\/a\nconfigmap\/b\n$/],
  ["get configmaps -l 'app in (x,z),!tier' -o name", /^configmap\/b\nconfigmap\/c\n$/],
  ["get configmaps -l 'app notin (x),app' -o name", /^configmap\/c\n$/],
  ["get configmaps -l 'app b'", `Error from server (BadRequest): Unable to find "/v1, Resource=configmaps" that match label selector "app b", field selector "": unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt`, 1],
  ['get configmaps --field-selector=metadata.name=b -o name', /^configmap\/b\n$/],
  ['get configmaps --field-selector=data.num=1', 'Unable to find "/v1, Resource=configmaps" that match label selector "", field selector "data.num=1": "data.num" is not a known field selector: only "metadata.name", "metadata.namespace"', 1],
  ['get configmaps -A --field-selector=metadata.name=a,metadata.namespace=NS', /^NAMESPACE {3,}NAME {3}DATA {3}AGE\nNS +a {6}2 /],
  ['get configmaps --all-namespaces -l tier=front --no-headers', /^NS +a +2 +\d+s\n$/],
  ['get secrets', 'No resources found in NS namespace.'],
  ['get configmaps -A -l no=such', /^No resources found\n$/],
  ['get configmap nope', /^Error from server \(NotFound\): configmaps "nope" not found\n$/, 1],
  ['get configmap nope --ignore-not-found', /^$/],
  ['get configmap/a secret/nope', /^NAME {3}DATA[\s\S]*\nError from server \(NotFound\): secrets "nope" not found\n$/, 1],
  ['get configmap/a serviceaccount/default', /^NAME {10}DATA {3}AGE\nconfigmap\/a {3}2 .*\n\nNAME {21}(SECRETS {3})?AGE\nserviceaccount\/default {3}/],
  ['get configmaps,serviceaccounts -l app=z', /^NAME {10}DATA {3}AGE\nconfigmap\/c {3}1 {6}\d+s\n$/],
  [`get configmaps ${notRoot} --chunk-size=1 -o name`, /^configmap\/a\nconfigmap\/b\nconfigmap\/c\n$/],
  [`get configmaps ${notRoot} --chunk-size=0 -o name`, /^configmap\/a\nconfigmap\/b\nconfigmap\/c\n$/],
  ['get configmaps -w --watch-only --request-timeout=1s', /^$/],
  ['get configmap a -w --output-watch-events --request-timeout=1s', /^EVENT {3,}NAME {3}DATA {3}AGE\nADDED {3,}a {6}2 {6}\d+s\n$/],
  ['get configmap a -w -o name --request-timeout=1s', /^configmap\/a\n$/],
  ['get nope.example.com', `error: the server doesn't have a resource type "nope"`, 1],
  ['get configmaps.v1. a -o name', /^configmap\/a\n$/],
  ['get deployments.v1.apps', 'No resources found in NS namespace.'],
  ['get deployments.v9.apps', 'error: the server doesn\'t have a resource type "deployments"', 1],
  ['get cm a --as=system:admin --as-group=system:masters --as-uid=7 -o name', /^configmap\/a\n$/],
  ['get cm a --as=nobody', 'Error from server (Forbidden): configmaps "a" is forbidden: User "nobody" cannot get resource "configmaps" in API group "" in the namespace "NS"', 1],
  ['get cm a -o name --request-timeout=30s -v=8', /GET https:[\s\S]*Response Status: 200 OK|status="200 OK"/],
  ['get cm a -o name -v=6 --disable-compression --cache-dir=read/cache', 'configmap/a\n'],
  ['get cm a --token=nonsense --user=nobody', 'error: auth info "nobody" does not exist', 1],
  ['get cm a --server=https://127.0.0.1:1', 'The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?', 1],
  ['get cm a -o name --tls-server-name=kubernetes.default.svc', /^configmap\/a\n$/],
  ['get endpoints --warnings-as-errors', '1 warning received', 1],
  ['get cm a --match-server-version', /server version \(.*v1\.36\.0.*\) differs from client version|differs from/, 1],
];

export const kinds: readonly Line[] = [
  ['apply -f read/kinds.yaml', 'customresourcedefinition.apiextensions.k8s.io/widgets.NS.example.com created'],
  ['wait --for=condition=Established crd/widgets.NS.example.com --timeout=10s', 'condition met'],
  ['create -f read/widget.yaml', 'widget.NS.example.com/w created'],
  ['get pv NS', /^NAME\s+CAPACITY\s+ACCESS MODES\s+RECLAIM POLICY\s+STATUS\s+CLAIM\s+STORAGECLASS\s+VOLUMEATTRIBUTESCLASS\s+REASON\s+AGE\nNS\s+1Gi\s+RWO\s+Retain\s+\w+\s+other\/nobody\s+NS\s+<unset>\s+\d+s\n$/],
  ['get pvc claim', /^NAME\s+STATUS\s+VOLUME\s+CAPACITY\s+ACCESS MODES\s+STORAGECLASS\s+VOLUMEATTRIBUTESCLASS\s+AGE\nclaim\s+Pending\s+NS\s+<unset>\s+\d+s\n$/],
  ['get sc NS', /^NAME\s+PROVISIONER\s+RECLAIMPOLICY\s+VOLUMEBINDINGMODE\s+ALLOWVOLUMEEXPANSION\s+AGE\nNS\s+example\.com\/none\s+Delete\s+WaitForFirstConsumer\s+false\s+\d+s\n$/],
  ['get rc,rs,deploy,sts,ds', /replicationcontroller\/rc +0 {9}0 {9}0 [\s\S]*replicaset\.apps\/rs +0 {9}0 {9}0 [\s\S]*deployment\.apps\/deploy +0\/0 {5}0 {12}0 [\s\S]*statefulset\.apps\/set {3}0\/0 [\s\S]*daemonset\.apps\/daemons {3}0 {9}0 {9}0 {7}0 {12}0 {11}disk=none /],
  ['get cj,job', /cronjob\.batch\/cron {3}0 0 1 1 \* {3}<none> {5}True {6}0 {8}<none> [\s\S]*job\.batch\/job {3}Suspended {3}0\/1 /],
  ['get ing,ingressclass,netpol', /ing {3}NS\s+NS\.test\s+80 [\s\S]*NS\s+example\.com\/none\s+<none>[\s\S]*policy {3}app=deploy /],
  ['get hpa hpa', /hpa {4}Deployment\/deploy {3}(cpu: )?<unknown>\/70% {3}1 {9}3 /],
  ['get pdb pdb', /pdb {4}N\/A\s+1\s+[01]\s+\d+s/],
  ['get priorityclass NS', /NS\s+7\s+false\s+\d+s/],
  ['get runtimeclass,csidriver', /runtimeclass\.node\.k8s\.io\/NS\s+none[\s\S]*NS\.example\.com\s+false\s+false\s+false\s+<unset>\s+false\s+Persistent/],
  ['get clusterrolebinding NS -o wide', /NS\s+ClusterRole\/NS\s+\S+\s+NS-group\s+NS\/sa/],
  ['get lease lease', /^NAME {4}HOLDER {3}AGE\nlease {3}me /],
  ['get wi', /^NAME {3}SIZE\nw {6}4\n$/],
  ['get all', /widget\.NS\.example\.com\/w\s+4/],
  ['get widgets.v1beta1.NS.example.com w -o jsonpath={.apiVersion}', /^NS\.example\.com\/v1beta1$/],
  ['get crd widgets.NS.example.com', /widgets\.NS\.example\.com {3}\d{4}-/],
  ['get deployment deploy --subresource=scale', /^NAME\s+DESIRED\s+AVAILABLE\s+AGE\ndeploy\s+0\s+0\s+\d+s\n$/],
  ['get deployment deploy --subresource=scale -o yaml', /kind: Scale\n[\s\S]*selector: app=deploy/],
  ['get deployment deploy --subresource=status -o name', /^deployment\.apps\/deploy\n$/],
  ['get deployment deploy --subresource=nope', /invalid subresource value: "nope"|could not find the requested resource/, 1],
  ['get pods,svc,rs,deploy,sts,ds,job,cj,rc,pv,pvc,sc,cm,secret,sa,quota,limits,ep,endpointslice,ing,ingressclass,netpol,hpa,pdb,pc,role,rolebinding,clusterrole,clusterrolebinding,lease,node,ns,crd,csr,event,apiservice,flowschema,prioritylevelconfiguration,csidriver,csinode,volumeattachment,runtimeclass,mutatingwebhookconfiguration,validatingwebhookconfiguration,validatingadmissionpolicy,validatingadmissionpolicybinding,controllerrevision,podtemplate,componentstatuses,widgets -A', /\w/],
];

export const described: readonly Line[] = [
  ['describe cm a', /^Name: {9}a\nNamespace: {4}NS\nLabels: {7}app=x\n {14}tier=front\nAnnotations: {2}note: hi\n\nData\n====\n(?=[\s\S]*num:\n----\n3\n)(?=[\s\S]*text:\n----\none\n)[\s\S]*BinaryData\n====\n\nEvents: {2}<none>\n$/],
  ['describe secret secret', /Type: {2}Opaque\n\nData\n====\nkey: {2}5 bytes\n$/],
  ['describe sa sa', /Name: {16}sa\nNamespace: {11}NS\nLabels: {14}<none>\nAnnotations: {9}<none>\nImage pull secrets: {2}<none>\nMountable secrets: {3}<none>\nTokens: {14}<none>\nEvents: {14}<none>\n$/],
  ['describe pv NS', /StorageClass: {4}NS\nStatus: {10}\w+\nClaim: {11}other\/nobody\nReclaim Policy: {2}Retain\nAccess Modes: {4}RWO\nVolumeMode: {6}Filesystem\nCapacity: {8}1Gi\n[\s\S]*Type: {10}HostPath \(bare host directory volume\)\n {4}Path: {10}\/tmp\/x/],
  ['describe pvc claim', /Status: {8}Pending\n[\s\S]*VolumeMode: {4}Filesystem\nUsed By: {7}<none>\n/],
  ['describe sc NS', /IsDefaultClass: +No\n[\s\S]*Provisioner: +example\.com\/none\nParameters: +type=fast\nAllowVolumeExpansion: +<unset>\n[\s\S]*VolumeBindingMode: +WaitForFirstConsumer/],
  ['describe limits limits', /Container {3}cpu {7}- {4}2 {4}100m {13}500m {11}-/],
  ['describe quota quota', /Resource +Used +Hard\n-+ +-+ +-+\nsecrets +1 +20\n/],
  ['describe rc rc', /Replicas: {5}0 current \/ 0 desired\nPods Status: {2}0 Running \/ 0 Waiting \/ 0 Succeeded \/ 0 Failed/],
  ['describe rs rs', /Replicas: +0 current \/ 0 desired/],
  ['describe deploy deploy', /Replicas: {15}0 desired \| 0 updated \| 0 total \| 0 available \| 0 unavailable\nStrategyType: {11}RollingUpdate\n[\s\S]*Conditions:\n {2}Type {11}Status {2}Reason\n[\s\S]*NewReplicaSet: {3}deploy-\w+ \(0\/0 replicas created\)/],
  ['describe sts set', /Replicas: {11}0 desired \| 0 total\nUpdate Strategy: {4}RollingUpdate\n {2}Partition: {8}0/],
  ['describe ds daemons', /Node-Selector: {2}disk=none[\s\S]*Desired Number of Nodes Scheduled: 0\n/],
  ['describe cj cron', /Schedule: {22}0 0 1 1 \*\nConcurrency Policy: {12}Allow\nSuspend: {23}True\n/],
  ['describe job job', /Parallelism: {6}1\nCompletions: {6}1\nCompletion Mode: {2}NonIndexed\n(Suspend: {10}true\n)?[\s\S]*Normal {2}Suspended {2}\S+ {3,}job-controller {2}Job suspended/],
  ['describe svc svc', /Type: +ClusterIP\nIP Family Policy: +SingleStack\nIP Families: +IPv4\nIP: +10\.\S+\nIPs: +10\.\S+\nPort: +web {2}80\/TCP\nTargetPort: +8080\/TCP\nEndpoints: +(<none>)?\n/],
  ['describe ing ing', /Ingress Class: {4}NS\nDefault backend: {2}<default>\nRules:\n {2}Host {8,}Path {2}Backends\n[\s\S]*\/x {3}svc:web /],
  ['describe ingressclass NS', /Controller: {3}example\.com\/none/],
  ['describe netpol policy', /PodSelector: {5}app=deploy\n {2}Allowing ingress traffic:\n {4}To Port: 80\/TCP\n {4}From:\n {6}PodSelector: <none>\n {2}Not affecting egress traffic\n {2}Policy Types: Ingress/],
  ['describe hpa hpa', /Reference: {45,}Deployment\/deploy\n[\s\S]*Min replicas: {40,}1\n/],
  ['describe pdb pdb', /Max unavailable: {2}1\nSelector: {9}app=deploy\nStatus:\n {4}Allowed disruptions: {2}\d\n {4}Current: {14}0\n {4}Desired: {14}0\n {4}Total: {16}0\n/],
  ['describe pc NS', /Value: +7\nGlobalDefault: +false\nPreemptionPolicy: +PreemptLowerPriority\nDescription: +for reading\n/],
  ['describe clusterrole NS', /PolicyRule:\n {2}Resources {2}Non-Resource URLs {2}Resource Names {2}Verbs\n[\s\S]*\[\/x\] +\[\] +\[get\]\n {2}pods +\[\] +\[one\] +\[get\]\n$/],
  ['describe clusterrolebinding NS', /Role:\n {2}Kind: {2}ClusterRole\n {2}Name: {2}NS\nSubjects:\n {2}Kind {12}Name\s+Namespace\s*\n[\s\S]* {2}ServiceAccount {2}sa\s+NS\n {2}Group {11}NS-group\s*\n$/],
  ['describe lease lease', /Kind: {9}Lease[\s\S]*Holder Identity: {9}me\n {2}Lease Duration Seconds: {2}15/],
  ['describe widget w', /API Version: {2}NS\.example\.com\/v1\nKind: {9}Widget\n[\s\S]*Spec:\n {2}Size: {2}4\nEvents: {2}<none>/],
  ['describe csidriver NS.example.com', /Kind: {9}CSIDriver/],
  ['describe runtimeclass NS', /Handler: {6}none/],
  ['describe crd widgets.NS.example.com', /Accepted Names:\n[\s\S]*Plural: +widgets\n[\s\S]*Stored Versions:\n {4}v1\n/],
  ['describe ns NS', /Status: {7}Active\n\nResource Quotas\n {2}Name: {5}quota\n[\s\S]*Resource Limits\n/],
  ['describe node node-1', /Conditions:\n {2}Type\s+Status\s+LastHeartbeatTime[\s\S]*Ready\s+True[\s\S]*Addresses:\n {2}InternalIP:[\s\S]*System Info:[\s\S]*Non-terminated Pods:[\s\S]*Allocated resources:/],
  ['describe endpointslice -l kubernetes.io/service-name=svc', /AddressType: {2}IPv4\n/],
  ['describe apiservice v1.apps', /Type: {26}Available|Type: +Available/],
  ['describe flowschema exempt', /Kind: {9}FlowSchema/],
  ['describe configmaps -l app=x --show-events=false', /^Name: {9}a\n[\s\S]*\n\n\nName: {9}b\n(?![\s\S]*Events:)/],
  ['describe cm nope', 'Error from server (NotFound): configmaps "nope" not found', 1],
  ['describe -f read/objects.yaml', /Name: {9}c\n/],
  ['describe configmaps --chunk-size=1 -A', /Name: {9}a\n/],
];

export const end: readonly Line[] = [
  ['delete pv,sc,ingressclass,pc,clusterrole,clusterrolebinding,runtimeclass NS', 'persistentvolume "NS" deleted'],
  ['delete csidriver/NS.example.com crd/widgets.NS.example.com', 'customresourcedefinition.apiextensions.k8s.io "widgets.NS.example.com" deleted'],
  ['delete namespace NS --timeout=60s', 'namespace "NS" deleted'],
];
