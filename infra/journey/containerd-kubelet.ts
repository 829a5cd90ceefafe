import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { loadKubeconfig } from '@orrery/node-io';
import { type TestCluster, eventually, orreryProgram } from '@orrery/testkit';
import { expect } from 'vitest';
import { type ContainerdMachine, testImage } from './containerd-machine.ts';

/** Beside the program under test: the bundle, or the sources. */
function kubeletProgram(): string {
  const orrery = orreryProgram();
  return orrery.endsWith('.ts') ? join(dirname(orrery), '../../kubelet/src/main.ts') : join(dirname(orrery), '../kubelet/main.js');
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

const token = { id: '0a1b2c', secret: '0123456789abcdef' };

/** What kubeadm sets up so that machines may join: a token, and permission to ask for certificates and to be approved unseen. */
const joining = `
apiVersion: v1
kind: Secret
metadata: {name: bootstrap-token-${token.id}, namespace: kube-system}
type: bootstrap.kubernetes.io/token
stringData: {token-id: "${token.id}", token-secret: "${token.secret}", usage-bootstrap-authentication: "true", auth-extra-groups: "system:bootstrappers:test"}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-bootstrap}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:node-bootstrapper"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:bootstrappers:test"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-autoapprove}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:certificates.k8s.io:certificatesigningrequests:nodeclient"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:bootstrappers:test"}]
`;

const pod = `
apiVersion: v1
kind: Pod
metadata: {name: real}
spec:
  nodeSelector: {kubernetes.io/hostname: real-node}
  terminationGracePeriodSeconds: 1
  volumes: [{name: shared, emptyDir: {}}, {name: config, configMap: {name: words}}]
  initContainers:
  - {name: first, image: "${testImage}", command: [sh, -c, "echo made > /shared/file"], volumeMounts: [{name: shared, mountPath: /shared}]}
  containers:
  - name: app
    image: "${testImage}"
    command: [sh, -c, "echo hello from $(cat /shared/file) $WORD; exec sleep 3600"]
    env: [{name: WORD, valueFrom: {configMapKeyRef: {name: words, key: word}}}]
    resources: {limits: {memory: 64Mi}}
    securityContext: {runAsUser: 1234}
    volumeMounts: [{name: shared, mountPath: /shared}, {name: config, mountPath: /etc/words}]
    readinessProbe: {exec: {command: [cat, /shared/file]}, periodSeconds: 1}
`;

const patient = { withinMs: 90_000, everyMs: 300 };

export interface RealNode {
  stop(): Promise<void>;
  logs(): string;
}

/** Starts a kubelet over containerd that joins the cluster by a bootstrap token. */
export async function joinByToken(cluster: TestCluster, machine: ContainerdMachine): Promise<RealNode> {
  const { server, ca = '' } = loadKubeconfig(cluster.kubeconfig);
  const at = (name: string): string => join(machine.home, name);
  for (const dir of ['kubelet', 'manifests']) mkdirSync(at(dir), { recursive: true });
  writeFileSync(at('ca.crt'), ca);
  writeFileSync(at('bootstrap.kubeconfig'), JSON.stringify({ clusters: [{ name: 'c', cluster: { server, 'certificate-authority': 'ca.crt' } }], users: [{ name: 'u', user: { token: `${token.id}.${token.secret}` } }], contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }], 'current-context': 'x' }));
  const port = await freePort();
  writeFileSync(at('config.yaml'), JSON.stringify({ apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration', address: '127.0.0.1', port, healthzPort: 0, rotateCertificates: true, serverTLSBootstrap: true, authentication: { x509: { clientCAFile: at('ca.crt') } }, containerRuntimeEndpoint: machine.endpoint, podLogsDir: at('pods'), staticPodPath: at('manifests'), memorySwap: {} }));
  const args = ['--config', at('config.yaml'), '--node-name', 'real-node', '--node-ips', '127.0.0.1', '--bootstrap-kubeconfig', at('bootstrap.kubeconfig'), '--kubeconfig', at('kubelet.kubeconfig'), '--cert-dir', at('pki'), '--root-dir', at('kubelet')];
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const child: ChildProcess = spawn(process.execPath, [kubeletProgram(), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes: Buffer) => (log = `${log}${bytes.toString()}`.slice(-20_000)));
  return {
    logs: () => log,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** A machine joins by a token, its serving certificate is approved, and it runs a real container. */
export async function realNodeStory(cluster: TestCluster, machine: ContainerdMachine, started: (node: RealNode) => void): Promise<void> {
  const kubectl = cluster.kubectl();
  const read = (...args: string[]): Promise<string> => kubectl.ok(args).then((text) => text.trim());
  writeFileSync(join(machine.home, 'joining.yaml'), joining);
  writeFileSync(join(machine.home, 'pod.yaml'), pod);
  await kubectl.ok(['apply', '-f', join(machine.home, 'joining.yaml')]);
  started(await joinByToken(cluster, machine));
  await eventually(async () => expect(await read('get', 'node', 'real-node', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.nodeInfo.containerRuntimeVersion}')).toMatch(/^True containerd:\/\//), { ...patient, what: 'the node is Ready' });

  const requests = (): Promise<string> => read('get', 'csr', '-o', 'jsonpath={range .items[*]}{.metadata.name} {.spec.signerName} {.spec.username} {.status.conditions[*].type}{"\\n"}{end}');
  expect(await requests()).toMatch(/ kubernetes\.io\/kube-apiserver-client-kubelet system:bootstrap:0a1b2c Approved/);
  const serving = await eventually(async () => /^(\S+) kubernetes\.io\/kubelet-serving system:node:real-node/m.exec(await requests())?.[1] ?? false, { ...patient, what: 'the request for a serving certificate' });
  await kubectl.ok(['certificate', 'approve', serving]);

  await kubectl.ok(['create', 'configmap', 'words', '--from-literal=word=there']);
  await eventually(() => read('get', 'serviceaccount', 'default'), patient);
  await kubectl.ok(['apply', '-f', join(machine.home, 'pod.yaml')]);
  await kubectl.ok(['wait', 'pod/real', '--for=condition=Ready', '--timeout=90s']);
  await eventually(async () => expect(await read('logs', 'real')).toBe('hello from made there'), { ...patient, what: 'logs of a real container' });
  expect(await read('exec', 'real', '--', 'id', '-u')).toBe('1234');
  expect(await read('exec', 'real', '--', 'cat', '/etc/words/word')).toBe('there');
  expect(await read('get', 'pod', 'real', '-o', 'jsonpath={.status.podIP} {.status.containerStatuses[0].containerID}')).toMatch(/^10\.88\.\d+\.\d+ containerd:\/\/[0-9a-f]{64}$/);

  // A manifest on the machine runs without anybody asking the API server, which shows it.
  const own = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'own' }, spec: { hostNetwork: true, terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: testImage, imagePullPolicy: 'IfNotPresent', command: ['sleep', '3600'] }] } };
  writeFileSync(join(machine.home, 'manifests/own.json'), JSON.stringify(own));
  await eventually(async () => expect(await read('get', 'pod', 'own-real-node', '-o', 'jsonpath={.status.phase} {.metadata.ownerReferences[0].kind}')).toBe('Running Node'), { ...patient, what: 'the static pod' });

  await kubectl.ok(['delete', 'pod', 'real', '--timeout=60s']);
}
