import { X509Certificate } from 'node:crypto';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCsr, generateKey } from '@orrery/node-io';
import { eventually, runCommand } from '@orrery/testkit';
import { expect } from 'vitest';
import { type Line, type Transcript, words } from './transcript.ts';

const invalid = (spec: string, kind = 'Pod', apiVersion = 'v1'): string => `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: bad}\nspec: ${spec}\n`;

export const files: Readonly<Record<string, string>> = {
  'bad-name.yaml': 'apiVersion: v1\nkind: Pod\nmetadata: {name: BAD}\nspec: {containers: [{name: A, image: ""}]}\n',
  'bad-field.yaml': invalid('{contaners: [], containers: [{name: a, image: b}]}'),
  'bad-type.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata: {a: 1}\n',
  'bad-kind.yaml': 'apiVersion: foo/v1\nkind: Bar\nmetadata: {name: bad}\n',
  'bad-service.yaml': invalid('{ports: [{port: 0}, {port: 80}], type: Foo}', 'Service'),
  'bad-selector.yaml': invalid('{selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: c}}, spec: {containers: [{name: a, image: b}]}}}', 'Deployment', 'apps/v1'),
  'bad-cron.yaml': invalid('{schedule: abc, jobTemplate: {spec: {template: {spec: {restartPolicy: Always, containers: [{name: a, image: b}]}}}}}', 'CronJob', 'batch/v1'),
  'elsewhere.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: nosuch}\n',
  'one.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\ndata: {x: "1"}\n',
  'two.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\ndata: {x: "2"}\n',
  'role.yaml': 'apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reconciled, namespace: deep}\nrules: [{apiGroups: [""], resources: [pods], verbs: [get]}]\n',
  'pods.yaml': `
apiVersion: v1
kind: Pod
metadata: {name: crash}
spec: {containers: [{name: a, image: busybox, command: [sh, -c, 'echo boo; exit 3']}]}
---
apiVersion: v1
kind: Pod
metadata: {name: init-crash}
spec: {initContainers: [{name: i, image: busybox, command: ['false']}], containers: [{name: a, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: large}
spec: {containers: [{name: a, image: nginx, resources: {requests: {cpu: 100}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: no-config}
spec: {containers: [{name: a, image: nginx, envFrom: [{configMapRef: {name: nope}}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: no-image}
spec: {containers: [{name: a, image: 'registry.invalid/x:1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: gated}
spec: {readinessGates: [{conditionType: example.com/x}], containers: [{name: a, image: nginx}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: indexed}
spec: {completions: 3, parallelism: 2, completionMode: Indexed, template: {spec: {restartPolicy: Never, containers: [{name: a, image: busybox, command: [sh, -c, 'echo $JOB_COMPLETION_INDEX $HOSTNAME']}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: st}
spec: {clusterIP: None, selector: {a: st}, ports: [{port: 80, name: web}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: st}
spec: {serviceName: st, replicas: 2, selector: {matchLabels: {a: st}}, template: {metadata: {labels: {a: st}}, spec: {containers: [{name: a, image: nginx}]}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ds}
spec: {selector: {matchLabels: {a: ds}}, template: {metadata: {labels: {a: ds}}, spec: {containers: [{name: a, image: nginx}]}}}
`,
};

const rejects: readonly Line[] = [
  ['create namespace NS', 'namespace/NS created'],
  ['create -f bad-name.yaml', /The Pod "BAD" is invalid: \n\* metadata\.name: Invalid value: "BAD": a lowercase RFC 1123 subdomain[\s\S]*\n\* spec\.containers\[0\]\.name: Invalid value: "A"[\s\S]*\n\* spec\.containers\[0\]\.image: Required value/, 1],
  ['create -f bad-field.yaml', 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.contaners"', 1],
  ['create -f bad-field.yaml --validate=warn --dry-run=server', 'Warning: unknown field "spec.contaners"'],
  ['create -f bad-type.yaml', 'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string', 1],
  ['create -f bad-kind.yaml', 'no matches for kind "Bar" in version "foo/v1"\nensure CRDs are installed first', 1],
  ['create -f bad-service.yaml', /\* spec\.ports\[0\]\.port: Invalid value: 0: must be between 1 and 65535, inclusive[\s\S]*\* spec\.type: Unsupported value: "Foo": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"/, 1],
  ['create -f bad-selector.yaml', '`selector` does not match template `labels`', 1],
  ['create -f bad-cron.yaml', /\* spec\.schedule: Invalid value: "abc": expected exactly 5 fields, found 1: \[abc\]\n\* spec\.jobTemplate\.spec\.template\.spec\.restartPolicy: Required value: valid values: "OnFailure", "Never"/, 1],
  ['create configmap a --from-literal=a=b -n nosuch', 'error: failed to create configmap: namespaces "nosuch" not found', 1],
  ['run bad --image=NGINX:UPPER:x', 'error: Invalid image name "NGINX:UPPER:x": invalid reference format', 1],
  ['create configmap fixed --from-literal=a=b', 'configmap/fixed created'],
  ["patch configmap fixed -p '{\"immutable\":true}'", 'patched'],
  ["patch configmap fixed -p '{\"data\":{\"a\":\"c\"}}'", 'The ConfigMap "fixed" is invalid: data: Forbidden: field is immutable when `immutable` is set', 1],
  ["patch configmap fixed -p '{\"metadata\":{\"resourceVersion\":\"1\"}}'", 'Error from server (Conflict): Operation cannot be fulfilled on configmaps "fixed": the object has been modified; please apply your changes to the latest version and try again', 1],
  ['create deployment d --image=nginx', 'created'],
  ["patch deployment d -p '{\"spec\":{\"replicas\":\"x\"}}'", 'The request is invalid: patch: Invalid value: "map[spec:map[replicas:x]]": unrecognized type: int32', 1],
  ["patch deployment d --type=merge -p '{\"spec\":{\"replicas\":\"x\"}}'", 'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32', 1],
  ["patch deployment d --type=json -p '[{\"op\":\"test\",\"path\":\"/spec/replicas\",\"value\":9}]'", 'The request is invalid: the server rejected our request due to an error in our request', 1],
  ["patch deployment d -p '{\"spec\":{\"replicas\":-1}}'", 'The Deployment "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0', 1],
  ["patch deployment d -p '{\"spec\":{\"selector\":{\"matchLabels\":{\"x\":\"y\"}}}}'", 'field is immutable', 1],
  ["label deployment d 'a/b/c=1'", 'The Deployment "d" is invalid: metadata.labels: Invalid value: "a/b/c": a ', 1],
  ['create quota q --hard=pods=4,count/deployments.apps=1,requests.cpu=1', 'resourcequota/q created'],
  // It bounds what its controller has counted once.
  ['wait --for=jsonpath={.status.hard.pods}=4 quota/q --timeout=90s', 'condition met'],
  ['create deployment d2 --image=nginx', 'deployments.apps "d2" is forbidden: exceeded quota: q, requested: count/deployments.apps=1, used: count/deployments.apps=1, limited: count/deployments.apps=1', 1],
  ['run q --image=nginx', 'pods "q" is forbidden: failed quota: q: must specify requests.cpu for: q', 1],
  ['delete quota q', 'deleted'],
  ['delete namespace default', 'namespaces "default" is forbidden: this namespace may not be deleted', 1],
  ['get pods --field-selector=nope=1', 'field label not supported: nope', 1],
  ['get --raw /nope', 'Error from server (NotFound): the server could not find the requested resource', 1],
  ['get endpoints -A', 'Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
];

const owners: readonly Line[] = [
  ['apply --server-side -f one.yaml', 'configmap/shared serverside-applied'],
  ['apply --server-side --field-manager=other -f two.yaml', 'error: Apply failed with 1 conflict: conflict with "kubectl": .data.x\nPlease review the fields above--they currently have other managers.', 1],
  ['apply --server-side --field-manager=other --force-conflicts -f two.yaml', 'configmap/shared serverside-applied'],
  ['diff --server-side --field-manager=other -f two.yaml', /^$/],
  ['get configmap shared -o yaml --show-managed-fields', /f:x: {}\n {4}manager: other\n {4}operation: Apply/],
  ['auth reconcile -f role.yaml', 'role.rbac.authorization.k8s.io/reconciled reconciled'],
  ["edit configmap shared 'sed -i s/x:/z:/'", 'configmap/shared edited'],
  ["get configmap shared -o 'jsonpath={.data}'", /^{"z":"2"}$/],
];

const pods: readonly Line[] = [
  ['apply -f pods.yaml', 'daemonset.apps/ds created'],
  ['rollout status daemonset/ds --timeout=90s', 'daemon set "ds" successfully rolled out'],
  ['rollout status statefulset/st --timeout=90s', 'partitioned roll out complete: 2 new pods have been updated...'],
  ['wait --for=condition=Complete job/indexed --timeout=90s', 'job.batch/indexed condition met'],
  ['logs -l job-name=indexed --prefix', /^(\[pod\/indexed-(\d)-\w{5}\/a\] \2 indexed-\2\n){3}$/],
  ["wait '--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff' pod/crash --timeout=90s", 'condition met'],
  ["wait '--for=jsonpath={.status.initContainerStatuses[0].state.waiting.reason}=CrashLoopBackOff' pod/init-crash --timeout=90s", 'condition met'],
  ["wait '--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff' pod/no-image --timeout=90s", 'condition met'],
  ['get pods crash', /crash\s+0\/1\s+CrashLoopBackOff\s+\d+ \(\d+s ago\)\s/],
  ['get pods init-crash', /init-crash\s+0\/1\s+Init:CrashLoopBackOff\s/],
  ['get pods large no-config', /large\s+0\/1\s+Pending\s[\s\S]*no-config\s+0\/1\s+CreateContainerConfigError\s/],
  ['get pod gated -o wide', /gated\s+1\/1\s+Running\s.*\s0\/1\n/],
  ['describe pod gated', /Readiness Gates:\n.*\n\s+example\.com\/x\s+<none>[\s\S]*Ready\s+False\s*\n\s+ContainersReady\s+True/],
  ['logs crash -p', /^boo\n$/],
  ['describe pod crash', /Last State:\s+Terminated\n\s+Reason:\s+Error\n\s+Exit Code:\s+3[\s\S]*Back-off restarting failed container a in pod crash_deep\(/],
  ['describe pod large', /FailedScheduling\s.*0\/3 nodes are available: 3 Insufficient cpu\./],
  ['describe pod no-image', /Failed\s.*Error: ErrImagePull[\s\S]*Back-off pulling image "registry\.invalid\/x:1"\n.*Error: ImagePullBackOff/],
  ['logs no-image', 'container "a" in pod "no-image" is waiting to start: trying and failing to pull image', 1],
  ['exec st-0 -- cat /etc/hostname', /^st-0\n$/],
  ['exec st-0 -- nosuch', /error: Internal error occurred: .*exec: "nosuch": executable file not found in \$PATH/, 1],
  ['delete statefulset st', 'statefulset.apps "st" deleted'],
  ['wait --for=delete pod/st-0 pod/st-1 --timeout=90s', /^(pod\/st-\d condition met\n)*$/],
  ['drain node-2 --ignore-daemonsets --force --delete-emptydir-data --timeout=90s', /evicting pod deep\/[\s\S]*node\/node-2 drained/],
  ['get node node-2', /node-2\s+Ready,SchedulingDisabled\s/],
  ['uncordon node-2', 'uncordoned'],
  ['cluster-info dump --namespaces deep', '"kind": "PodList"'],
  ['delete namespace NS --timeout=90s', 'namespace "NS" deleted'],
];

export const transcripts: Readonly<Record<string, readonly Line[]>> = { 'refuses in the words of the original': rejects, 'keeps who owns which field': owners, 'shows pods as they fare': pods };

export async function watchesAChange({ kubectl }: Transcript): Promise<void> {
  await kubectl.ok(['create', 'configmap', 'watched']);
  const watching = kubectl.ok(['get', 'configmaps', '-w', '--field-selector=metadata.name=watched', '--output-watch-events', '--request-timeout=2s']);
  await eventually(async () => kubectl.ok(['patch', 'configmap', 'watched', '-p', `{"data":{"k${Date.now()}":"v"}}`]), { what: 'a change' });
  await kubectl.ok(['delete', 'configmap', 'watched']);
  expect(await watching).toMatch(/EVENT\s+NAME\s+DATA\s+AGE\nADDED\s+watched\s+[01]\s+\S+\n(MODIFIED\s+watched\s+1\s+\S+\n)?DELETED\s+watched\s+1\s/);
}

/** A user makes a key, has its certificate signed by way of the API, and logs in with it. */
export async function approvesACertificate({ kubectl, cwd }: Transcript, server: string): Promise<void> {
  const { key } = generateKey();
  const request = createCsr({ subject: { commonName: 'joe', organizations: ['dev'] }, key });
  const spec = { request: Buffer.from(request).toString('base64'), signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] };
  await kubectl.ok(['create', '-f', '-'], { input: JSON.stringify({ apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: 'joe' }, spec }) });
  expect(await kubectl.ok(['get', 'csr', 'joe'])).toMatch(/joe\s+\S+\s+kubernetes\.io\/kube-apiserver-client\s+kubernetes-admin\s+<none>\s+Pending/);
  expect(await kubectl.ok(['certificate', 'approve', 'joe'])).toContain('certificatesigningrequest.certificates.k8s.io/joe approved');
  const certificate = await eventually(async () => (await kubectl.ok(['get', 'csr', 'joe', '-o', 'jsonpath={.status.certificate}'])) || false, { what: 'a signed certificate' });
  expect(await kubectl.ok(['get', 'csr', 'joe'])).toContain('Approved,Issued');
  writeFileSync(join(cwd, 'joe.crt'), Buffer.from(certificate, 'base64'));
  writeFileSync(join(cwd, 'joe.key'), key);
  expect(new X509Certificate(readFileSync(join(cwd, 'joe.crt'))).subject.split('\n').sort()).toEqual(['CN=joe', 'O=dev']);
  const login = ['--kubeconfig=/dev/null', `--server=${server}`, '--insecure-skip-tls-verify', '--client-certificate=joe.crt', '--client-key=joe.key'];
  expect(await kubectl.ok([...login, 'auth', 'whoami'], { cwd })).toMatch(/Username\s+joe\nGroups\s+\[dev system:authenticated\]/);
  const refused = await kubectl.run([...login, 'get', 'pods'], { cwd });
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('User "joe" cannot list resource "pods"')]);
  await kubectl.ok(['delete', 'csr', 'joe']);
}

/** The store as etcd's own client sees it: keys where the original keeps them, JSON in them, watches. */
export async function speaksToEtcdctl({ kubectl }: Transcript, endpoint: string): Promise<void> {
  const program = (await runCommand('sh', ['-c', 'command -v etcdctl'])).stdout.trim();
  if (program === '') return;
  const env = { ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: endpoint };
  const etcdctl = async (command: string): Promise<string> => {
    const { code, stdout, stderr } = await runCommand(program, words(command), { env });
    if (code !== 0) throw new Error(`etcdctl ${command}: ${stderr}`);
    return stdout;
  };
  const keys = await etcdctl('get /registry --prefix --keys-only');
  for (const key of ['/registry/minions/node-1', '/registry/services/specs/default/kubernetes', '/registry/namespaces/kube-system', '/registry/leases/kube-node-lease/node-1']) expect(keys).toContain(`${key}\n`);
  expect(JSON.parse(await etcdctl('get /registry/namespaces/default --print-value-only'))).toMatchObject({ kind: 'Namespace', metadata: { name: 'default' } });
  const watcher = spawn(program, ['watch', '/registry/configmaps/default/', '--prefix'], { env: { ...process.env, ...env } });
  let seen = '';
  watcher.stdout.on('data', (chunk: Buffer) => void (seen += chunk.toString()));
  try {
    await eventually(
      async () => {
        await kubectl.run(['create', 'configmap', 'seen', '-n', 'default']);
        await kubectl.ok(['delete', 'configmap', 'seen', '-n', 'default']);
        return /PUT\n\/registry\/configmaps\/default\/seen\n\{"kind":"ConfigMap"[\s\S]*DELETE\n\/registry\/configmaps\/default\/seen\n/.test(seen);
      },
      { what: 'etcdctl sees a change' },
    );
  } finally {
    watcher.kill();
  }
}
