import { grpcHealthOverConn } from '@orrery/node-io';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestNode, type TestPod, testNode } from '../../testing/test-node.ts';

const image = 'registry.k8s.io/e2e-test-images/agnhost:2.59';
let node: TestNode;
let client: TestPod;

const up = (ip: string, port: number) => client.sh(`until nc -z ${ip} ${port} 2>/dev/null; do sleep 0.01; done`);

async function serve(name: string, args: string[], port: number, envs: { key: string; value: string }[] = []): Promise<TestPod> {
  const pod = await node.runPod({ name, image, args, envs });
  await up(pod.ip, port);
  return pod;
}

beforeAll(async () => {
  node = await testNode();
  client = await node.runPod({ name: 'client', image });
});

afterAll(async () => {
  await node.component.stop();
  expect(node.problems).toEqual([]);
});

const certificate = ['--tls-cert-file', '/localhost.crt', '--tls-private-key-file=/localhost.key'];
const post = async (url: string, body: object): Promise<Record<string, unknown>> => JSON.parse((await client.exec('curl', '-sk', '-H', 'Content-Type: application/json', '--data-raw', JSON.stringify(body), url)).stdout) as Record<string, unknown>;

test('netexec and porter speak TLS', async () => {
  const netexec = await serve('secure', ['netexec', '--http-port', '9090', '--udp-port', '9091', ...certificate], 9090);
  expect((await client.sh(`curl -sk https://${netexec.ip}:9090/echo?msg=safe`)).stdout).toBe('safe');
  expect((await client.sh(`curl -sS https://${netexec.ip}:9090/echo?msg=safe`)).stderr).toMatch(/^curl: \(60\) SSL certificate problem/);
  expect((await client.sh(`curl -s --cacert /localhost.crt --resolve localhost:9090:${netexec.ip} https://localhost:9090/serverport`)).stdout).toBe('9090');
  const porter = await serve('porter', ['porter'], 443, [{ key: 'SERVE_TLS_PORT_443', value: 'tls baz' }, { key: 'SERVE_PORT_80', value: 'plain' }, { key: 'SERVE_PORT_81', value: '<a href="/x">page</a>' }]);
  expect((await client.sh(`curl -sk https://${porter.ip}; curl -s http://${porter.ip}`)).stdout).toBe('tls bazplain');
  expect((await client.sh(`curl -sI http://${porter.ip}:81; curl -sI http://${porter.ip}`)).stdout.match(/content-type: .*/gi)).toEqual(['Content-Type: text/html; charset=utf-8', 'Content-Type: text/plain; charset=utf-8']);
});

test('/coredns answers from the hosts of its Corefile, and no directive that it does not know', async () => {
  const corefile = '. {\n  hosts {\n    1.1.1.1 notexistname.resolv.conf.local\n  }\n  log\n}\n';
  const server = await node.runPod({ name: 'own-dns', image, command: ['/bin/sh', '-c', `printf '${corefile.replaceAll('\n', '\\n')}' > /tmp/Corefile; exec /coredns -conf /tmp/Corefile`] });
  await up(server.ip, 53);
  const dig = (what: string): Promise<{ stdout: string }> => client.sh(`dig @${server.ip} +short +tries=1 ${what}; dig @${server.ip} ${what} | grep -o 'status: [A-Z]*'`);
  expect((await dig('notexistname.resolv.conf.local A')).stdout).toBe('1.1.1.1\nstatus: NOERROR\n');
  expect((await dig('+tcp NotExistName.resolv.conf.local A')).stdout).toBe('1.1.1.1\nstatus: NOERROR\n');
  expect((await dig('notexistname.resolv.conf.local AAAA')).stdout).toBe('status: NOERROR\n');
  expect((await dig('other.local A')).stdout).toBe('status: SERVFAIL\n');
  expect(await node.log(server.container)).toMatch(/^\.:53\nCoreDNS-.*\n.*\n\[INFO\] \S+ - \d+ "A IN notexistname\.resolv\.conf\.local\. udp \d+ false 512" NOERROR/);
  expect(await client.sh(`printf '.:53 {\n bogus\n}\n' > /tmp/wrong; /coredns -conf /tmp/wrong`)).toMatchObject({ code: 1, stderr: "/tmp/wrong: Error during parsing: Unknown directive 'bogus'\n" });
});

test('a server without its certificate says so and ends', async () => {
  const pod = await node.runPod({ name: 'bare', image, args: ['webhook', '--tls-cert-file=/none.crt', '--tls-private-key-file=/none.key'] });
  await expect.poll(async () => (await node.runtime.containerStatus({ containerId: pod.container })).status?.exitCode).toBe(1);
  expect(await node.log(pod.container)).toMatch(/open \/none\.crt: no such file or directory\n$/);
});

const review = (request: object) => ({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request: { uid: 'u1', operation: 'CREATE', resource: { group: '', version: 'v1', resource: 'configmaps' }, ...request } });
const response = (more: object) => ({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response: { uid: 'u1', ...more } });
const patched = (patch: object[]) => response({ allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') });
const podsResource = { group: '', version: 'v1', resource: 'pods' };

test('webhook judges and changes', async () => {
  const hook = await serve('hook', ['webhook', '--port=8444', ...certificate], 8444);
  const ask = (path: string, request: object) => post(`https://${hook.ip}:8444${path}`, review(request));
  const bad = { object: { data: { 'webhook-e2e-test': 'webhook-disallow' } } };
  expect((await client.sh(`curl -sk https://${hook.ip}:8444/readyz`)).stdout).toBe('ok');
  expect(await ask('/always-deny', {})).toEqual(response({ allowed: false, status: { message: 'this webhook denies all requests' } }));
  expect(await ask('/configmaps', bad)).toEqual(response({ allowed: false, status: { reason: 'the configmap contains unwanted key and value' } }));
  expect(await ask('/custom-resource', { ...bad, resource: { group: 'x', version: 'v1', resource: 'y' } })).toEqual(response({ allowed: false, status: { reason: 'the custom resource contains unwanted data' } }));
  expect(await ask('/configmaps', { operation: 'DELETE', oldObject: bad.object })).toEqual(response({ allowed: true }));
  expect(await ask('/pods', { resource: podsResource, object: { metadata: { labels: { 'webhook-e2e-test': 'webhook-disallow' } }, spec: { containers: [{ name: 'webhook-disallow' }] } } })).toEqual(
    response({ allowed: false, status: { message: 'the pod contains unwanted label; the pod contains unwanted container name;' } }),
  );
  expect(await ask('/mutating-configmaps', { object: { data: { 'mutation-start': 'yes' } } })).toEqual(patched([{ op: 'add', path: '/data/mutation-stage-1', value: 'yes' }]));
  expect(await ask('/mutating-configmaps', { object: { data: { 'mutation-start': 'yes', 'mutation-stage-1': 'yes' } } })).toEqual(patched([{ op: 'add', path: '/data/mutation-stage-2', value: 'yes' }]));
  expect(await ask('/add-label', { object: { metadata: { labels: { a: 'b' } } } })).toEqual(patched([{ op: 'add', path: '/metadata/labels/added-label', value: 'yes' }]));
  expect(await ask('/mutating-pods', { resource: podsResource, object: { metadata: { name: 'webhook-to-be-mutated' } } })).toEqual(
    patched([{ op: 'add', path: '/spec/initContainers', value: [{ image: 'webhook-added-image', name: 'webhook-added-init-container', resources: {} }] }]),
  );
  expect(await ask('/pods/attach', { resource: podsResource, subResource: 'attach', name: 'to-be-attached-pod', object: { stdin: true, container: 'container1' } })).toEqual(
    response({ allowed: false, status: { message: "attaching to pod 'to-be-attached-pod' is not allowed" } }),
  );
  expect(await ask('/crd', { object: { metadata: { labels: { 'webhook-e2e-test': 'webhook-disallow' } } } })).toEqual(response({ allowed: false, status: { message: 'the crd contains unwanted label' } }));
});

test('crd-conversion-webhook converts both ways', async () => {
  const hook = await serve('convert', ['crd-conversion-webhook', ...certificate], 443);
  const convert = async (objects: object[], to: string) => ((await post(`https://${hook.ip}/crdconvert`, { kind: 'ConversionReview', apiVersion: 'apiextensions.k8s.io/v1', request: { uid: 'u', desiredAPIVersion: to, objects } }))['response'] as object);
  const [v1, v2] = ['stable.example.com/v1', 'stable.example.com/v2'];
  expect(await convert([{ apiVersion: v1, kind: 'X', hostPort: 'h:80' }], v2)).toMatchObject({ uid: 'u', convertedObjects: [{ apiVersion: v2, kind: 'X', host: 'h', port: '80' }], result: { status: 'Success' } });
  expect(await convert([{ apiVersion: v2, kind: 'X', host: 'h' }], v1)).toMatchObject({ convertedObjects: [{ apiVersion: v1, kind: 'X', hostPort: 'h:' }] });
  expect(await convert([{ apiVersion: v1, hostPort: 'nonsense' }], v2)).toMatchObject({ convertedObjects: [], result: { status: 'Failure', message: 'invalid hostPort value `nonsense`' } });
});

test('guestbook keeps what it is told, replicas know it too', async () => {
  const primary = await serve('primary', ['guestbook', '--http-port', '6379'], 6379);
  const get = async (ip: string, request: string): Promise<unknown> => JSON.parse((await client.exec('curl', '-s', `http://${ip}:6379/${request}`)).stdout) as unknown;
  expect(await get(primary.ip, 'set?key=messages&value=first')).toEqual({ message: 'Updated' });
  const replica = await serve('replica', ['guestbook', `--replicaof=${primary.ip}`, '--http-port=6379'], 6379);
  await expect.poll(() => get(replica.ip, 'get?key=messages')).toEqual({ data: 'first' });
  await get(primary.ip, 'set?key=messages&value=TestEntry');
  expect(await get(replica.ip, 'get?key=messages')).toEqual({ data: 'TestEntry' });
});

test('grpc-health-checking serves until told not to', async () => {
  const pod = await serve('grpc', ['grpc-health-checking', '--service=liveness'], 5000);
  const status = async (service: string) => grpcHealthOverConn(await node.switch.hostStack.dial({ ip: pod.ip, port: 5000 }), { service, authority: 'x', signal: AbortSignal.timeout(10_000) });
  expect(await status('liveness')).toBe('SERVING');
  await expect(status('other')).rejects.toThrow('status code 5');
  await client.sh(`curl -s http://${pod.ip}:8080/make-not-serving`);
  expect(await status('liveness')).toBe('NOT_SERVING');
});

test('nettest counts who wrote to it', async () => {
  const pod = await serve('nettest', ['nettest', '--service=none'], 8080);
  expect((await client.sh(`wget -qO- --post-data='{"Source": "prestop"}' http://${pod.ip}:8080/write`)).stdout).toBe('{"Hostname":"nettest"}\n');
  const read = JSON.parse((await client.sh(`curl -s http://${pod.ip}:8080/read`)).stdout) as object;
  expect(read).toMatchObject({ Hostname: 'nettest', Received: { prestop: 1 }, Sent: null, StillContactingPeers: true });
  expect((await client.sh(`curl -s http://${pod.ip}:8080/status`)).stdout).toBe('running');
});

test('what only prints, prints and ends', async () => {
  const config = { dnsConfig: { servers: ['1.1.1.1', '2.2.2.2'], searches: ['a.b', 'c.d'] } };
  const pod = await node.runPod({ name: 'dns', image, sandbox: config });
  expect((await pod.exec('/agnhost', 'dns-suffix')).stdout).toBe('a.b,c.d\n');
  expect((await pod.exec('/agnhost-2', 'dns-server-list')).stdout).toBe('1.1.1.1,2.2.2.2\n');
  expect((await pod.exec('/agnhost', 'etc-hosts')).stdout).toMatch(/\tdns\n\n$/);
});

test('port-forward-tester follows its script', async () => {
  const envs = [['BIND_PORT', '80'], ['EXPECTED_CLIENT_DATA', 'abc'], ['CHUNKS', '2'], ['CHUNK_SIZE', '3'], ['CHUNK_INTERVAL', '1']].map(([key = '', value = '']) => ({ key, value }));
  const pod = await node.runPod({ name: 'forward', image, args: ['port-forward-tester'], envs });
  expect((await pod.sh("printf abc | nc localhost 80")).stdout).toBe('xxxxxx');
  await expect.poll(() => node.log(pod.container)).toBe('Accepted client connection\nReceived expected client data\nShutting down connection\nDone\n');
});
