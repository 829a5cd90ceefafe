import { type Kubectl, eventually } from '@orrery/testkit';
import { expect } from 'vitest';

const image = 'registry.k8s.io/e2e-test-images/agnhost:2.56';
const namespaces = ['np-x', 'np-y'];
const places = namespaces.flatMap((namespace) => ['a', 'b'].map((name) => ({ namespace, name, id: `${namespace}/${name}` })));

const serverPod = (namespace: string, name: string): object => ({
  apiVersion: 'v1', kind: 'Pod',
  metadata: { namespace, name, labels: { pod: name } },
  spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'server', image, args: ['netexec', '--http-port=80'], ports: [{ name: 'serve-80-tcp', containerPort: 80 }] }] },
});
const service = (namespace: string, name: string): object => ({ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec: { selector: { pod: name }, ports: [{ port: 80 }] } });
const policy = (name: string, spec: object): object => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace: 'np-x', name }, spec });
const list = (items: readonly object[]): { input: string } => ({ input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });

type Passes = (from: string, to: string) => boolean;

/** Asks every pod's service from every pod, as upstream's tests of network policies do, until the answers are as they should be. */
async function matrix(kubectl: Kubectl, what: string, passes: Passes): Promise<void> {
  const pairs = places.flatMap((from) => places.map((to) => ({ from, to })));
  const asked = async (): Promise<string[]> => {
    const answers = await Promise.all(
      pairs.map(async ({ from, to }) => {
        const target = `${to.name}.${to.namespace}.svc.cluster.local:80`;
        const { code } = await kubectl.run(['-n', from.namespace, 'exec', from.name, '--', '/agnhost', 'connect', target, '--timeout=1s', '--protocol=tcp']);
        return code === 0 ? [`${from.id} > ${to.id}`] : [];
      }),
    );
    return answers.flat();
  };
  const wanted = pairs.filter(({ from, to }) => passes(from.id, to.id)).map(({ from, to }) => `${from.id} > ${to.id}`);
  await eventually(async () => expect(await asked()).toEqual(wanted), { what, withinMs: 90_000, everyMs: 250 });
}

/** Default deny, namespaces and pods by label, named ports, egress with DNS, and back to nothing. */
export async function networkPolicies(kubectl: Kubectl): Promise<void> {
  await kubectl.ok(['apply', '-f', '-'], list(namespaces.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { ns: name } } }))));
  try {
    await kubectl.ok(['apply', '-f', '-'], list(places.flatMap(({ namespace, name }) => [serverPod(namespace, name), service(namespace, name)])));
    for (const namespace of namespaces) await kubectl.ok(['-n', namespace, 'wait', '--for=condition=Ready', 'pod', '--all', '--timeout=90s']);
    const inX = (id: string): boolean => id.startsWith('np-x/');
    await matrix(kubectl, 'without a policy', () => true);
    await kubectl.ok(['apply', '-f', '-'], list([policy('deny', { podSelector: {}, policyTypes: ['Ingress'] })]));
    // A service hides a pod from itself behind its node, which always reaches it.
    await matrix(kubectl, 'default deny of ingress', (from, to) => !inX(to) || from === to);
    await kubectl.ok(['apply', '-f', '-'], list([policy('allow', { podSelector: { matchLabels: { pod: 'a' } }, ingress: [{ from: [{ namespaceSelector: { matchLabels: { ns: 'np-y' } }, podSelector: { matchLabels: { pod: 'b' } } }], ports: [{ port: 'serve-80-tcp' }] }] })]));
    await matrix(kubectl, 'one way in, beside default deny', (from, to) => !inX(to) || from === to || (from === 'np-y/b' && to === 'np-x/a'));
    await kubectl.ok(['-n', 'np-x', 'delete', 'networkpolicy', '--all']);
    const dns = { to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } }, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }] };
    await kubectl.ok(['apply', '-f', '-'], list([policy('out', { podSelector: {}, policyTypes: ['Egress'], egress: [dns, { to: [{ podSelector: {} }] }] })]));
    await matrix(kubectl, 'egress to the own namespace and to DNS', (from, to) => !inX(from) || inX(to));
    await kubectl.ok(['-n', 'np-x', 'delete', 'networkpolicy', '--all']);
    await matrix(kubectl, 'after all policies are gone', () => true);
  } finally {
    await kubectl.run(['delete', 'namespace', ...namespaces, '--wait=false', '--ignore-not-found']);
  }
}
