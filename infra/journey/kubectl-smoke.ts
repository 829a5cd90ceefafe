import type { Line } from './transcript.ts';

/** Files the transcripts name. */
export const files: Readonly<Record<string, string>> = {
  'app.yaml': `
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, labels: {app: app}}
spec:
  replicas: 2
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: c, image: 'nginx:1.25', ports: [{containerPort: 80, name: http}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data: {x: "1"}
`,
  'app-2.yaml': `
apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data: {x: "2"}
`,
  'bare.yaml': `
apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data: {bare: "y"}
`,
};

/** What every version of kubectl goes through. */
export const create: readonly Line[] = [
  ['create namespace NS', 'namespace/NS created'],
  ['create configmap cm --from-literal=a=1 --from-literal=b=2', 'configmap/cm created'],
  ['create configmap cm --from-literal=a=1', 'error: failed to create configmap: configmaps "cm" already exists', 1],
  ['create secret generic s --from-literal=p=q', 'secret/s created'],
  ['create secret tls t --cert=tls.crt --key=tls.key', 'secret/t created'],
  ['create secret docker-registry d --docker-server=x --docker-username=u --docker-password=p', 'secret/d created'],
  ['create serviceaccount sa', 'serviceaccount/sa created'],
  ['create role r --verb=get,list --resource=pods,deployments.apps', 'role.rbac.authorization.k8s.io/r created'],
  ['create rolebinding rb --role=r --serviceaccount=NS:sa', 'rolebinding.rbac.authorization.k8s.io/rb created'],
  ['create clusterrole NS --verb=get --non-resource-url=/NS', 'clusterrole.rbac.authorization.k8s.io/NS created'],
  ['create clusterrolebinding NS --clusterrole=NS --user=NS-user', 'clusterrolebinding.rbac.authorization.k8s.io/NS created'],
  ['create deployment web --image=nginx:1.27 --replicas=2 --port=80', 'deployment.apps/web created'],
  ['create job j --image=busybox -- echo hello from j', 'job.batch/j created'],
  ["create cronjob cj --image=busybox '--schedule=0 0 1 1 *' -- date", 'cronjob.batch/cj created'],
  ['create job by-hand --from=cronjob/cj', 'job.batch/by-hand created'],
  ['create quota q --hard=pods=50,configmaps=10', 'resourcequota/q created'],
  ['create service clusterip c1 --tcp=80:80', 'service/c1 created'],
  ['create service nodeport n1 --tcp=80:80', 'service/n1 created'],
  ['create service loadbalancer l1 --tcp=80:80', 'service/l1 created'],
  ['create service externalname e1 --external-name=example.com', 'service/e1 created'],
  ["create ingress i '--rule=NS.test/bar*=c1:80,tls=t' --class=nginx", 'ingress.networking.k8s.io/i created'],
  ['create pdb p --selector=app=web --min-available=1', 'poddisruptionbudget.policy/p created'],
  ['create priorityclass NS --value=1000', 'priorityclass.scheduling.k8s.io/NS created'],
  ['create token sa --duration=10m', /^[\w-]+\.[\w-]+\.[\w-]+\n?$/],
  ['run box --image=busybox --labels=x=y -- sleep 1000', 'pod/box created'],
  ['expose deployment web --port=80 --type=NodePort', 'service/web exposed'],
];

export const change: readonly Line[] = [
  ['apply -f app.yaml', 'deployment.apps/app created\nconfigmap/app created'],
  ['apply -f app.yaml', 'deployment.apps/app unchanged\nconfigmap/app unchanged'],
  ['diff -f app.yaml', /^$/],
  ['diff -f app-2.yaml', /-  x: "1"\n\+  x: "2"/, 1],
  ['apply -f app-2.yaml --dry-run=server', 'configmap/app configured (server dry run)'],
  ['apply -f app-2.yaml', 'configmap/app configured'],
  ['apply --server-side --field-manager=one --force-conflicts -f app-2.yaml', 'configmap/app serverside-applied'],
  ['apply --server-side --field-manager=two -f app-2.yaml', 'configmap/app serverside-applied'],
  ['replace -f bare.yaml', 'configmap/app replaced'],
  ["patch configmap app --type=merge -p '{\"data\":{\"bare\":\"y\"}}'", 'configmap/app patched (no change)'],
  ['edit deployment app true', 'Edit cancelled, no changes made'],
  ["patch deployment app -p '{\"spec\":{\"replicas\":1}}'", 'deployment.apps/app patched'],
  ["patch deployment app --type=merge -p '{\"spec\":{\"replicas\":1}}'", 'deployment.apps/app patched'],
  ["patch deployment app --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":2}]'", 'deployment.apps/app patched'],
  ['label deployment app tier=x', 'deployment.apps/app labeled'],
  ['label deployment app tier=y', "error: 'tier' already has a value (x), and --overwrite is false", 1],
  ['annotate deployment app note=hi', 'deployment.apps/app annotate'],
  ['set image deployment/app c=nginx:1.26', 'deployment.apps/app image updated'],
  ['set env deployment/app A=1', 'deployment.apps/app env updated'],
  ['set resources deployment/app --limits=cpu=200m,memory=64Mi', 'deployment.apps/app resource requirements updated'],
  ['set serviceaccount deployment/app sa', 'deployment.apps/app serviceaccount updated'],
  ['set selector service/c1 app=app', 'service/c1 selector updated'],
  ['set subject rolebinding rb --user=bob', 'rolebinding.rbac.authorization.k8s.io/rb subjects updated'],
  ['scale deployment/app --replicas=3', 'deployment.apps/app scaled'],
  ['autoscale deployment/app --min=1 --max=5 --cpu-percent=50', 'horizontalpodautoscaler.autoscaling/app autoscaled'],
  ['rollout status deployment/app --timeout=90s', 'deployment "app" successfully rolled out'],
  ['rollout history deployment/app', /REVISION\s+CHANGE-CAUSE\n1\s/],
  ['rollout pause deployment/app', 'deployment.apps/app paused'],
  ['rollout resume deployment/app', 'deployment.apps/app resumed'],
  ['rollout restart deployment/app', 'deployment.apps/app restarted'],
  ['rollout undo deployment/app --to-revision=1', 'deployment.apps/app rolled back'],
  ['rollout status deployment/app --timeout=90s', 'deployment "app" successfully rolled out'],
  ['taint node node-3 NS=x:PreferNoSchedule', 'node/node-3 tainted'],
  ['taint node node-3 NS-', 'node/node-3 untainted'],
  ['cordon node-3', 'node/node-3 cordoned'],
  ['uncordon node-3', 'node/node-3 uncordoned'],
];

export const look: readonly Line[] = [
  ['wait --for=condition=Complete job/j job/by-hand --timeout=90s', 'job.batch/j condition met'],
  ["wait '--for=jsonpath={.status.phase}=Running' pod/box --timeout=90s", 'pod/box condition met'],
  ['get all', /pod\/box\s+1\/1\s+Running\s+0\s[\s\S]*service\/e1\s+ExternalName\s+<none>\s+example\.com[\s\S]*deployment\.apps\/web\s+2\/2[\s\S]*cronjob\.batch\/cj\s+0 0 1 1 \*[\s\S]*job\.batch\/j\s/],
  ['get pods -o wide', /NAME\s+READY\s+STATUS\s+RESTARTS\s+AGE\s+IP\s+NODE\s+NOMINATED NODE\s+READINESS GATES/],
  ['get deployments -o wide', /web\s+2\/2\s+2\s+2\s+\S+\s+nginx\s+nginx:1\.27\s+app=web/],
  ['get pod box -o yaml', /kind: Pod[\s\S]*phase: Running/],
  ['get pod box -o json', '"apiVersion": "v1"'],
  ['get pods -l x=y -o name', /^pod\/box\n$/],
  ["get deployment web -o 'jsonpath={.spec.replicas}'", /^2$/],
  ["get deployments -o 'go-template={{range .items}}{{.metadata.name}} {{end}}'", /^app web $/],
  ['get deployments -o custom-columns=N:.metadata.name,R:.spec.replicas', /^N\s+R\napp\s+3\nweb\s+2\n$/],
  ['get pods --show-labels -L x --sort-by=.metadata.name --chunk-size=2', /box\s.*\sy\s+x=y/],
  ['get pods --field-selector=status.phase=Running,metadata.name=box', /^NAME.*\nbox\s.*\n$/],
  ['get events --field-selector=involvedObject.name=box', 'Successfully assigned NS/box to node-'],
  ['get pod box -w --request-timeout=1s', /box\s+1\/1\s+Running/],
  ['describe pod box', /Events:[\s\S]*Scheduled[\s\S]*Pulled[\s\S]*Started/],
  ['describe deployment web', '2 desired | 2 updated | 2 total | 2 available | 0 unavailable'],
  ['describe service web', /NodePort:\s+<unset>\s+3\d{4}\/TCP/],
  ['describe job j', 'Pods Statuses:    0 Active'],
  ['describe quota q', /configmaps\s+3\s+10/],
  ['describe cronjob/cj configmap/cm secret/s sa/sa role/r rolebinding/rb ingress/i pdb/p hpa/app', /Name:\s+cj[\s\S]*Name:\s+p\n/],
  ['describe node node-1', 'Non-terminated Pods:'],
  ['describe namespace NS', 'Resource Quotas'],
  ['logs job/j', /^hello from j\n$/],
  ['logs job/j --timestamps --tail=1 --since=1h', /^\d{4}-\d\d-\d\dT\S+Z hello from j\n$/],
  ['logs -l app=web --prefix --all-containers', /\[pod\/web-\S+\/nginx\] /],
  ['logs box -p', 'previous terminated container "box" in pod "box" not found', 1],
  ['events --for pod/box', 'Scheduled'],
  ['exec box -- echo inside', /^inside\n$/],
  ["exec box -- sh -c 'exit 7'", 'command terminated with exit code 7', 7],
  ['auth can-i create pods', /^yes\n$/],
  ['auth can-i create pods --as NS-user', /^no\n/, 1],
  ['auth can-i get /NS --as NS-user', 'yes'],
  ['get pods --as NS-user', 'Error from server (Forbidden): pods is forbidden: User "NS-user" cannot list resource "pods" in API group "" in the namespace "NS"', 1],
  ['get pod nope', 'Error from server (NotFound): pods "nope" not found', 1],
  ['get nope', `error: the server doesn't have a resource type "nope"`, 1],
  ['api-resources', /deployments\s+deploy\s+apps\/v1\s+true\s+Deployment/],
  ['api-versions', 'rbac.authorization.k8s.io/v1\n'],
  ['explain deployment.spec.strategy --recursive', 'rollingUpdate\t<RollingUpdateDeployment>'],
  ['explain pod.nope', 'field "nope" does not exist', 1],
  ['cluster-info', 'Kubernetes control plane'],
  ['get --raw /healthz', /^ok$/],
  ['version', 'Server Version: '],
  ['config current-context', 'orrery'],
];

export const remove: readonly Line[] = [
  ['delete pod nope', 'Error from server (NotFound): pods "nope" not found', 1],
  ['delete pod nope --ignore-not-found', /^$/],
  ['delete pod box --grace-period=0 --force', 'pod "box" force deleted'],
  ['delete configmap -l no=such', 'No resources found'],
  ['delete deployment app --cascade=orphan', 'deployment.apps "app" deleted'],
  ['get rs -l app=app -o name', /replicaset\.apps\/app-/],
  ['delete rs -l app=app --cascade=foreground', 'replicaset.apps "app-'],
  ['get pods -l app=app', 'No resources found in NS namespace.'],
  ['delete all --all', 'service "l1" deleted'],
  ['delete clusterrole,clusterrolebinding,priorityclass NS', 'clusterrole.rbac.authorization.k8s.io "NS" deleted'],
  ['delete namespace NS --timeout=90s', 'namespace "NS" deleted'],
  ['get namespace NS', 'namespaces "NS" not found', 1],
];
