import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestNode, type TestPod, testNode } from '../../testing/test-node.ts';

const image = 'registry.k8s.io/e2e-test-images/agnhost:2.57';
let node: TestNode;
let server: TestPod;
let client: TestPod;

const up = (ip: string, port: number) => client.sh(`until nc -z ${ip} ${port} 2>/dev/null; do sleep 0.01; done`);

beforeAll(async () => {
  node = await testNode();
  client = await node.runPod({ name: 'client', image: 'curlimages/curl', command: ['sleep', '3600'] });
  server = await node.runPod({ name: 'netexec', image, args: ['netexec'] });
  await up(server.ip, 8080);
});

afterAll(async () => {
  await node.component.stop();
  expect(node.problems).toEqual([]);
});

const curl = async (path: string, ...options: string[]): Promise<string> => (await client.exec('curl', '-s', '-w', ' %{http_code}', ...options, `http://${server.ip}:8080${path}`)).stdout;

test('netexec tells and does', async () => {
  expect(await curl('/')).toMatch(/^NOW: \d{4}-\d\d-\d\d [\d:.]+ \+0000 UTC m=\+[\d.]+ 200$/);
  expect(await curl('/hostName')).toBe('netexec 200');
  expect(await curl('/echo?msg=a%20b&code=418')).toBe('a b 418');
  expect(await curl('/echo', '-d', 'msg=form')).toBe('form 200');
  expect(await curl('/header?key=X-Test', '-H', 'X-Test: yes')).toBe('yes 200');
  expect(await curl('/healthz')).toBe(' 200');
  expect(await curl('/shell?cmd=echo%20out%3B%20exit%203')).toBe('{"error":"exit status 3","output":"out\\n"} 200');
  expect(await curl('/redirect?location=/echo%3Fmsg=there&code=307', '-L')).toBe('there 200');
  expect(await curl('/upload')).toBe('{"error":"Unable to upload file."} 200');
  const form = '--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nstuff\r\n--b--\r\n';
  const uploaded = await curl('/upload', '-H', 'Content-Type: multipart/form-data; boundary=b', '--data-raw', form);
  const [, path = ''] = /^\{"output":"(\/uploads\/upload\d+)"\} 201$/.exec(uploaded) ?? [];
  expect((await server.exec('cat', path)).stdout).toBe('stuff');
  expect(await node.log(server.container)).toMatch(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d Started HTTP server on port 8080\n[^]*GET \/hostName\n/);
});

test('netexec dials others', async () => {
  const dial = (query: string) => curl(`/dial?${query}`);
  expect(await dial(`host=${server.ip}&port=8080&request=hostname&tries=2`)).toBe('{"responses":["netexec","netexec"]} 200');
  expect(await dial(`host=${server.ip}&port=8081&request=echo%20HI&protocol=udp`)).toBe('{"responses":["hi"]} 200');
  expect(await dial(`host=${server.ip}&port=1&request=hostname`)).toBe(`{"errors":["Get \\"http://${server.ip}:1/hostname\\": dial tcp ${server.ip}:1: connect: connection refused"]} 200`);
  expect(await dial(`host=${server.ip}&port=80`)).toBe('request parameter not specified. <nil>\n 400');
  expect(await dial(`host=${server.ip}&port=80&request=x&protocol=smoke`)).toBe('unsupported protocol. smoke\n 400');
});

test('netexec without UDP is not ready; override; exits', async () => {
  const pod = await node.runPod({ name: 'override', image, args: ['netexec', '--udp-port', '-1', '--http-override', '/echo?msg=always'] });
  await up(pod.ip, 8080);
  expect((await client.exec('curl', '-s', `${pod.ip}:8080/hostname`)).stdout).toBe('always');
  const plain = await node.runPod({ name: 'plain', image, args: ['netexec', '--udp-port=-1', '--delay-shutdown=1'] });
  await up(plain.ip, 8080);
  expect((await client.exec('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', `${plain.ip}:8080/healthz`)).stdout).toBe('412');
  await client.exec('curl', '-s', `${plain.ip}:8080/exit?code=4&wait=10ms`);
  await expect.poll(async () => (await node.runtime.containerStatus({ containerId: plain.container })).status?.exitCode).toBe(4);
});

test('mounttest prints what tests look for', async () => {
  const run = (...flags: string[]) => server.exec('/agnhost', 'mounttest', ...flags);
  expect(await run('--fs_type=/dev/shm')).toMatchObject({ code: 0, stdout: 'mount type of "/dev/shm": tmpfs\n' });
  expect(await run('--new_file_0666=/tmp/new', '--file_perm=/tmp/new')).toMatchObject({ code: 0, stdout: 'content of file "/tmp/new": mount-tester new file\n\nperms of file "/tmp/new": -rw-rw-rw-\n' });
  expect(await run('--file_mode=/tmp')).toMatchObject({ stdout: 'mode of file "/tmp": dtrwxrwxrwx\n' });
  expect(await run('--file_owner=/tmp/new')).toMatchObject({ stdout: 'owner UID of "/tmp/new": 0\nowner GID of "/tmp/new": 0\n' });
  expect(await run('--file_content=/none', '--file_owner=/tmp/new')).toMatchObject({ code: 1, stdout: expect.stringMatching(/^owner UID[^]*error reading file content for "\/none": open \/none: no such file or directory\n$/) });
  expect(await run('--file_content_in_loop=/tmp/new', '--retry_time=5')).toMatchObject({ code: 0, stdout: 'content of file "/tmp/new": mount-tester new file\n\n' });
});

test('the other commands', async () => {
  expect((await server.exec('/agnhost', 'connect', `${server.ip}:8080`)).code).toBe(0);
  expect(await server.exec('/agnhost', 'connect', '--protocol=udp', '--timeout=1s', `${server.ip}:8081`)).toMatchObject({ code: 0 });
  expect(await server.exec('/agnhost', 'connect', '--protocol=udp', '--timeout=20ms', `${server.ip}:9`)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^TIMEOUT: read udp .*: i\/o timeout/) });
  expect(await server.exec('/agnhost', 'connect', 'nowhere')).toMatchObject({ code: 1, stderr: 'UNKNOWN: address nowhere: missing port in address\n' });
  const logs = await server.exec('/agnhost', 'logs-generator', '--log-lines-total', '3', '--run-duration', '3ms');
  expect(logs.stderr.split('\n')).toHaveLength(4);
  expect(logs.stderr).toMatch(/^I\d{4} [\d:.]+ +\d+ logs_generator\.go:76\] 0 (?:GET|POST|PUT) \/api\/v1\/namespaces\/[a-z-]+\/pods\/\w{3,4} \d{3}\n/);
  expect(await server.exec('/agnhost', 'logs-generator', '-t', '0', '-d', '1s')).toMatchObject({ code: 255, stderr: expect.stringContaining('Invalid total number of lines: 0') });
  const names = await node.runPod({ name: 'names', image, args: ['serve-hostname', '--http=false', '--tcp', '--udp'] });
  await up(names.ip, 9376);
  expect((await client.sh(`nc ${names.ip} 9376 < /dev/null`)).stdout).toBe('names');
  expect(await client.sh(`echo x | timeout 0.2 nc -u ${names.ip} 9376`)).toMatchObject({ stdout: 'names' });
  const ports = await node.runPod({ name: 'ports', image, args: ['porter', '--json-response'], envs: [{ key: 'SERVE_PORT_90', value: 'foo' }] });
  await up(ports.ip, 90);
  expect((await client.exec('curl', '-s', `${ports.ip}:90`)).stdout).toBe('{"Method":"GET","Body":"foo"}');
});
