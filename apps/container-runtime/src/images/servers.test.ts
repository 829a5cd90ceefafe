import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestNode, type TestPod, testNode } from '../testing/test-node.ts';

let node: TestNode;
let client: TestPod;

beforeAll(async () => {
  node = await testNode();
  client = await node.runPod({ name: 'client', image: 'curlimages/curl', command: ['sleep', '3600'] });
});

afterAll(async () => {
  await node.component.stop();
  expect(node.problems).toEqual([]);
});

async function started(image: string, port: number, more: { args?: string[]; envs?: { key: string; value: string }[] } = {}): Promise<TestPod> {
  const pod = await node.runPod({ name: image.replace(/[^a-z0-9]/g, '-'), image, ...more });
  await client.sh(`until nc -z ${pod.ip} ${port} 2>/dev/null; do sleep 0.01; done`);
  return pod;
}

const curl = async (...args: string[]): Promise<string> => (await client.exec('curl', '-s', ...args)).stdout;

test('memcached', async () => {
  const pod = await started('memcached:1.6', 11211);
  const lines = ['set a 5 0 3', 'one', 'get a b', 'add a 0 0 1', 'x', 'append a 0 0 2', '!!', 'gets a', 'incr a 1', 'set n 0 0 2', '41', 'incr n 1', 'decr n 50', 'cas n 0 0 1 999', '7', 'delete a', 'delete a', 'set q 0 0 1 noreply', 'z', 'set gone 0 -1 1', 'y', 'get gone q', 'touch q 10', 'version', 'nope', 'quit'];
  const { stdout } = await client.sh(`printf '%s\\r\\n' ${lines.map((line) => `'${line}'`).join(' ')} | nc ${pod.ip} 11211`);
  expect(stdout.split('\r\n')).toEqual([
    'STORED', 'VALUE a 5 3', 'one', 'END', 'NOT_STORED', 'STORED', 'VALUE a 5 5 2', 'one!!', 'END', 'CLIENT_ERROR cannot increment or decrement non-numeric value', 'STORED', '42', '0', 'EXISTS', 'DELETED', 'NOT_FOUND', 'STORED', 'VALUE q 0 1', 'z', 'END', 'TOUCHED', 'VERSION 1.6.38', 'ERROR', '',
  ]);
});

test('stand-ins: they start, are reached, and say what they are', async () => {
  const mysql = await started('mysql:9', 3306, { envs: [{ key: 'MYSQL_ROOT_PASSWORD', value: 'x' }] });
  expect(await mysql.exec('mysqladmin', 'ping', '-h', '127.0.0.1', '-uroot', '-px')).toMatchObject({ code: 0, stdout: 'mysqld is alive\n' });
  expect((await client.sh(`nc ${mysql.ip} 3306 < /dev/null | tail -c 69`)).stdout).toBe('this server is an emulation: it accepts connections but holds no data');
  expect(await node.log(mysql.container)).toContain('ready for connections');
  const bare = await node.runPod({ name: 'bare', image: 'mysql:9' });
  await expect.poll(async () => (await node.runtime.containerStatus({ containerId: bare.container })).status?.exitCode).toBe(1);
  expect(await node.log(bare.container)).toContain('[ERROR] [Entrypoint]: Database is uninitialized and password option is not specified');
  await started('mongo:8', 27017);
  const rabbit = await started('rabbitmq:4', 5672);
  expect((await client.sh(`printf 'AMQP' | nc ${rabbit.ip} 5672 | head -c 4`)).stdout).toBe('AMQP');
});

test('httpbin', async () => {
  const { ip } = await started('kennethreitz/httpbin', 80);
  expect(JSON.parse(await curl('-H', 'x-one: 1', `${ip}/get?a=b`))).toMatchObject({ args: { a: 'b' }, headers: { 'X-One': '1', Host: ip }, url: `http://${ip}/get?a=b`, origin: client.ip });
  expect(JSON.parse(await curl('-d', 'k=v', `${ip}/post`))).toMatchObject({ form: { k: 'v' }, json: null });
  expect(JSON.parse(await curl('--json', '{"k":1}', `${ip}/anything/x`))).toMatchObject({ json: { k: 1 }, method: 'POST' });
  expect(await curl('-o', '/dev/null', '-w', '%{http_code}', `${ip}/status/503`)).toBe('503');
  expect(JSON.parse(await curl('-L', `${ip}/redirect/2`))).toMatchObject({ url: `http://${ip}/get` });
});

test('demos', async () => {
  const hello = await started('nginxdemos/hello:plain-text', 80);
  expect(await curl(`${hello.ip}/x`)).toMatch(new RegExp(`^Server address: ${hello.ip}:80\nServer name: nginxdemos-hello-plain-text\nDate: .*\nURI: /x\nRequest ID: [0-9a-f]{32}\n$`));
  const hpa = await started('registry.k8s.io/hpa-example', 80);
  expect(await curl(hpa.ip)).toBe('OK!');
  const two = await started('gcr.io/google-samples/hello-app:2.0', 8080);
  expect(await curl(`${two.ip}:8080`)).toContain('Version: 2.0.0\n');
});
