import { type Kubectl, eventually } from '@orrery/testkit';
import { expect } from 'vitest';
import { apply, exec, ipOf, outputOf, pod, ready, script, tester } from './conformance-pods.ts';

const service = (name: string, spec: object) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec });

/** Names resolve over UDP and TCP as tests ask for them, and the answers are read through a pod's web server. */
export async function names(kubectl: Kubectl): Promise<void> {
  const check = (query: string, file: string): string => `check="$$(dig ${query})" && test -n "$$check" && echo OK > /results/${file};`;
  const query = '+noall +answer +search';
  const record = `podARec=$$(hostname -i | awk -F. '{print $$1"-"$$2"-"$$3"-"$$4".default.pod.cluster.local"}');`;
  const probes = [
    check(`+notcp ${query} named.default.svc.cluster.local A`, 'udp'),
    check(`+tcp ${query} named A`, 'tcp'),
    check(`+notcp ${query} _http._tcp.named.default.svc.cluster.local SRV`, 'srv'),
    'test -n "$$(getent hosts querier-host)" && echo OK > /results/hosts;',
    record,
    check(`+tcp ${query} $${'{podARec}'} A`, 'record'),
    'dig +short outside.default.svc.cluster.local CNAME > /results/cname;',
  ].join('');
  const results = { volumeMounts: [{ name: 'results', mountPath: '/results' }] };
  await apply(
    kubectl,
    service('named', { selector: { test: 'names' }, ports: [{ name: 'http', port: 80 }] }),
    service('outside', { type: 'ExternalName', externalName: 'foo.example.com' }),
    pod('names', [{ ...tester('test-webserver'), ...results }, { ...script(`for i in \`seq 1 600\`; do ${probes} sleep 1; done`, 'registry.k8s.io/e2e-test-images/glibc-dns-testing:2.0.0'), ...results }], { hostname: 'querier-host', subdomain: 'named', restartPolicy: 'Always', volumes: [{ name: 'results', emptyDir: {} }] }),
    pod('own-dns', [tester('pause')], { dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1'], searches: ['resolv.conf.local'] } }),
  );
  await ready(kubectl, 'names', 'own-dns');
  const read = (file: string): Promise<string> => kubectl.run(['get', '--raw', `/api/v1/namespaces/default/pods/names/proxy/results/${file}`]).then(({ stdout }) => stdout);
  for (const file of ['udp', 'tcp', 'srv', 'hosts', 'record']) await eventually(async () => (await read(file)) === 'OK\n', { what: `/results/${file}`, withinMs: 60_000, everyMs: 250 });
  expect(await read('cname')).toBe('foo.example.com.\n');
  expect([await exec(kubectl, 'own-dns', '/agnhost dns-suffix'), await exec(kubectl, 'own-dns', '/agnhost dns-server-list')]).toEqual(['resolv.conf.local\n', '1.1.1.1\n']);
}

/** Pods and services reach one another, as tests find out. */
export async function reachability(kubectl: Kubectl): Promise<void> {
  await apply(
    kubectl,
    service('reached', { selector: { test: 'net' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }, { name: 'udp', protocol: 'UDP', port: 90, targetPort: 8081 }] }),
    pod('net', [tester('netexec')], { restartPolicy: 'Always' }),
    pod('host', [tester('netexec', '--http-port', '8083', '--udp-port', '8084')], { hostNetwork: true, restartPolicy: 'Always' }),
  );
  await ready(kubectl, 'net', 'host');
  const ip = await ipOf(kubectl, 'net');
  await eventually(async () => expect(await exec(kubectl, 'host', `curl -g -q -s 'http://${ip}:8080/dial?request=hostname&protocol=http&host=reached.default.svc.cluster.local&port=80&tries=1'`)).toBe('{"responses":["net"]}'), { what: 'the service answers', withinMs: 30_000, everyMs: 250 });
  expect(await exec(kubectl, 'host', `curl -g -q -s 'http://${ip}:8080/dial?request=hostname&protocol=udp&host=${ip}&port=8081&tries=1'`)).toBe('{"responses":["net"]}');
  expect(await exec(kubectl, 'net', 'echo hostName | nc -v -t -w 2 reached 80')).toContain('400 Bad Request');
  expect(await exec(kubectl, 'net', 'echo hostName | nc -v -u -w 2 reached 90')).toBe('net');
  const node = await kubectl.ok(['get', 'pod', 'host', '-o', 'jsonpath={.spec.nodeName}']);
  expect(await exec(kubectl, 'host', 'curl -s localhost:8083/hostname; hostname')).toBe(`${node}${node}\n`);
}

/** The API server's proxy, over TLS too; the guestbook. */
export async function proxies(kubectl: Kubectl): Promise<void> {
  const env = [{ name: 'SERVE_PORT_80', value: '<a href="/rewriteme">test</a>' }, { name: 'SERVE_PORT_160', value: 'foo' }, { name: 'SERVE_TLS_PORT_443', value: 'tls baz' }];
  const role = (name: string, ...args: string[]) => [service(`agnhost-${name}`, { selector: { test: name }, ports: [{ port: 6379 }] }), pod(name, [tester('guestbook', '--http-port', '6379', ...args)], { restartPolicy: 'Always' })];
  await apply(
    kubectl,
    pod('porter', [{ ...tester('porter'), env, readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1 } }], { restartPolicy: 'Always' }),
    ...role('primary'),
    ...role('replica', '--replicaof', 'agnhost-primary'),
    service('frontend', { selector: { test: 'frontend' }, ports: [{ port: 80 }] }),
    pod('frontend', [tester('guestbook', '--backend-port', '6379')], { restartPolicy: 'Always' }),
  );
  await ready(kubectl, 'porter', 'primary', 'replica', 'frontend');
  const raw = (path: string): Promise<string> => kubectl.ok(['get', '--raw', `/api/v1/namespaces/default/${path}`]);
  expect([await raw('pods/porter/proxy/'), await raw('pods/http:porter:80/proxy')]).toEqual(['pods/porter/proxy', 'pods/http:porter:80/proxy'].map((at) => `<a href="/api/v1/namespaces/default/${at}/rewriteme">test</a>`));
  expect([await raw('pods/porter:160/proxy/'), await raw('pods/https:porter:443/proxy/')]).toEqual(['foo', 'tls baz']);
  const book = (query: string): Promise<string> => kubectl.run(['get', '--raw', `/api/v1/namespaces/default/services/frontend/proxy/guestbook?${query}`]).then(({ stdout }) => stdout);
  await eventually(async () => (await book('cmd=set&key=messages&value=TestEntry')) === '{"message":"Updated"}', { what: 'the guestbook takes an entry', withinMs: 60_000, everyMs: 250 });
  await eventually(async () => (await book('cmd=get&key=messages&value=')) === '{"data":"TestEntry"}', { what: 'the guestbook has it', withinMs: 60_000, everyMs: 250 });
  await kubelets(kubectl);
}

/** The kubelet of a node: through the API server, and from a pod at the node's address. */
async function kubelets(kubectl: Kubectl): Promise<void> {
  const [name = '', address = ''] = (await kubectl.ok(['get', 'pod', 'porter', '-o', 'jsonpath={.spec.nodeName} {.status.hostIP}'])).split(' ');
  for (const node of [name, `${name}:10250`]) expect(await kubectl.ok(['get', '--raw', `/api/v1/nodes/${node}/proxy/logs/`])).toContain('<a href="pods/">pods/</a>');
  const ca = '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt';
  expect(await exec(kubectl, 'porter', `curl -s --cacert ${ca} https://${address}:10250/pods`)).toBe('Unauthorized');
}

/** A token is verified by the issuer's own documents, from inside a pod. */
export async function identity(kubectl: Kubectl): Promise<void> {
  const source = { serviceAccountToken: { path: 'sa-token', expirationSeconds: 7200, audience: 'oidc-discovery-test' } };
  await apply(
    kubectl,
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name: 'discovery' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:service-account-issuer-discovery' }, subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }] },
    pod('oidc', [{ ...tester('test-service-account-issuer-discovery', '--token-path', '/var/run/secrets/tokens/sa-token', '--audience', 'oidc-discovery-test'), volumeMounts: [{ name: 't', mountPath: '/var/run/secrets/tokens', readOnly: true }] }], { volumes: [{ name: 't', projected: { sources: [source] } }] }),
  );
  expect(await outputOf(kubectl, 'oidc')).toMatch(/OK: Got token\n[^]*OK: Validated signature on JWT\n[^]*OK: Got valid claims from token!\n$/);
}
