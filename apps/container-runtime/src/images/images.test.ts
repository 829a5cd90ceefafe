import { afterAll, beforeAll, expect, test } from 'vitest';
import dnsPacket from 'dns-packet';
import { createFabric, type ServiceRule } from '@orrery/vnet';
import { realClock } from '@orrery/node-io';
import { createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { type TestNode, type TestPod, testNode } from '../testing/test-node.ts';

let one: TestNode;
let two: TestNode;
let client: TestPod;

const rule = (ip: string, port: number, backends: ServiceRule['backends'], protocol: 'TCP' | 'UDP' = 'TCP'): ServiceRule => ({ match: { ip, port, protocol }, service: 'x', backends, whenEmpty: 'refuse' });

beforeAll(async () => {
  const fabric = createFabric({ clock: realClock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() });
  one = await testNode({ fabric, index: 1 });
  two = await testNode({ fabric, index: 2 });
  client = await one.runPod({ name: 'client', image: 'busybox', command: ['sleep', '3600'], sandbox: { dnsConfig: { servers: ['10.96.0.10'], searches: ['default.svc.cluster.local', 'svc.cluster.local'], options: ['ndots:5', 'timeout:1', 'attempts:1'] } } });
});

afterAll(async () => {
  for (const node of [one, two]) {
    await node.component.stop();
    expect(node.problems).toEqual([]);
  }
});

const listening = (ip: string, port: number) => client.sh(`until nc -z ${ip} ${port} 2>/dev/null; do sleep 0.01; done`);

test('wget from nginx on another node by service address, with access log', async () => {
  const nginx = await two.runPod({ name: 'web', image: 'nginx:1.27' });
  await listening(nginx.ip, 80);
  await one.switch.setServiceRules([rule('10.96.1.1', 80, [{ ip: nginx.ip, port: 80 }])]);
  const page = await client.sh('wget -q -O- http://10.96.1.1/');
  expect(page).toMatchObject({ code: 0, stderr: '' });
  expect(page.stdout).toContain('<title>Welcome to nginx!</title>');
  expect(await client.sh('wget -O- http://10.96.1.1/nope')).toMatchObject({ code: 1, stderr: expect.stringContaining('wget: server returned error: HTTP/1.1 404 Not Found') });
  expect(await client.sh('wget -q --spider http://10.96.1.1/ && echo up')).toMatchObject({ stdout: 'up\n' });
  expect(await two.log(nginx.container)).toMatch(new RegExp(`${client.ip.replaceAll('.', '\\.')} - - \\[.*\\] "GET / HTTP/1.1" 200 \\d+ "-" "Wget" "-"`));
  expect(await client.sh('wget -T 1 -q -O- http://10.96.1.1:81/')).toMatchObject({ code: 1, stderr: expect.stringContaining('No route to host') });
  expect((await client.sh(`printf "GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n" | nc ${nginx.ip} 80 | head -1`)).stdout).toBe('HTTP/1.1 200 OK\r\n');
  expect(await client.sh(`nc -z ${nginx.ip} 80 && echo open; nc -z -w 1 ${nginx.ip} 81; echo $?`)).toMatchObject({ stdout: 'open\n1\n' });
  await nginx.sh('echo hello > /usr/share/nginx/html/index.html');
  expect(await client.sh('wget -qO- 10.96.1.1')).toMatchObject({ stdout: 'hello\n' });
});

test('nginx follows its configuration: mounted files, return, proxy_pass, reload', async () => {
  await one.volumes.writeVolume('/vol/conf', new Map([['site.conf', { bytes: Buffer.from('server { listen 8080 default_server; server_name _; location /hi { return 200 "hi $host $uri\\n"; } location = /go { return 301 /there; } location /api/ { proxy_pass http://127.0.0.1:8081/v1/; } location / { root /www; try_files $uri $uri/ /index.html; } add_header X-Test yes; }\nserver { listen 8081; default_type text/plain; location / { return 200 "backend $request_uri"; } }'), mode: 0o644 }]]));
  await one.volumes.writeVolume('/vol/www', new Map([['index.html', { bytes: Buffer.from('volume page'), mode: 0o644 }]]));
  const web = await one.runPod({ name: 'conf', image: 'nginx', mounts: [{ hostPath: '/vol/conf', containerPath: '/etc/nginx/conf.d', readonly: true }, { hostPath: '/vol/www', containerPath: '/www' }] });
  await listening(web.ip, 8080);
  const get = async (path: string): Promise<string> => (await client.sh(`wget -qO- http://${web.ip}:8080${path}`)).stdout;
  expect(await get('/hi')).toBe(`hi ${web.ip} /hi\n`);
  expect(await get('/api/x?y=1')).toBe('backend /v1/x?y=1');
  expect(await get('/deep/link')).toBe('volume page');
  expect((await client.sh(`wget -S -qO- http://${web.ip}:8080/go 2>&1 | grep -c "Location: http://${web.ip}:8080/there"`)).stdout).toBe('1\n');
  await one.volumes.writeVolume('/vol/www', new Map([['index.html', { bytes: Buffer.from('changed page'), mode: 0o644 }]]));
  expect(await get('/')).toBe('changed page');
  expect((await web.sh('nginx -t')).stderr).toContain('syntax is ok');
  expect((await web.sh('echo x > /etc/nginx/conf.d/y')).stderr).toContain('Read-only file system');
  await one.volumes.writeVolume('/vol/conf', new Map([['site.conf', { bytes: Buffer.from('server { listen 8090; location / { return 200 new; } }'), mode: 0o644 }]]));
  await web.sh('nginx -s reload');
  await listening(web.ip, 8090);
  expect((await client.sh(`wget -qO- http://${web.ip}:8090/; wget -qO- -T1 http://${web.ip}:8080/ || echo gone`)).stdout).toBe('newgone\n');
});

test('names are resolved over UDP from the pod’s name server', async () => {
  const zone: Record<string, string> = { 'web.default.svc.cluster.local': '10.96.1.1' };
  const socket = two.switch.hostStack.udp({ ip: '', port: 53 }, (bytes, from) => {
    const query = dnsPacket.decode(Buffer.from(bytes));
    const [question] = query.questions ?? [];
    const address = zone[question?.name ?? ''];
    const answers: dnsPacket.Answer[] = address && question?.type === 'A' ? [{ type: 'A', name: question.name, ttl: 30, data: address }] : [];
    const flags = address ? dnsPacket.AUTHORITATIVE_ANSWER : 3;
    socket.send(dnsPacket.encode({ type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [], answers }), from);
  });
  await one.switch.setServiceRules([rule('10.96.0.10', 53, [{ ip: '10.240.1.2', port: 53 }], 'UDP')]);
  expect(await client.sh('cat /etc/resolv.conf')).toMatchObject({ stdout: 'search default.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5 timeout:1 attempts:1\n' });
  expect(await client.sh('nslookup web')).toMatchObject({ code: 0, stdout: 'Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\nName:\tweb.default.svc.cluster.local\nAddress: 10.96.1.1\n\n' });
  expect(await client.sh('nslookup nope')).toMatchObject({ code: 1, stdout: expect.stringContaining("** server can't find nope: NXDOMAIN") });
  expect(await client.sh('wget -qO- http://nope/')).toMatchObject({ code: 1, stderr: "wget: bad address 'nope'\n" });
  expect(await client.sh('ping -c 1 web | head -1')).toMatchObject({ stdout: 'PING web (10.96.1.1): 56 data bytes\n' });
  expect(await client.sh(`ping -c 2 -i 0.01 ${client.ip} | tail -2 | head -1`)).toMatchObject({ stdout: '2 packets transmitted, 2 packets received, 0% packet loss\n' });
  socket.close();
  expect(await client.sh('nslookup web 2>&1')).toMatchObject({ code: 1, stdout: ';; connection timed out; no servers could be reached\n\n' });
});

test('agnhost: netexec over HTTP and UDP, and its small commands', async () => {
  const image = 'registry.k8s.io/e2e-test-images/agnhost:2.53';
  const server = await two.runPod({ name: 'netexec', image, args: ['netexec', '--http-port=8080', '--udp-port=8081'] });
  const get = async (path: string): Promise<string> => (await client.sh(`wget -qO- "http://${server.ip}:8080${path}"`)).stdout;
  expect(await get('/hostname')).toBe('netexec');
  expect(await get('/clientip')).toMatch(new RegExp(`^${client.ip}:\\d+$`));
  expect(await get('/echo?msg=hello')).toBe('hello');
  expect(JSON.parse(await get('/shell?shellCommand=echo+hi'))).toEqual({ output: 'hi\n' });
  expect(JSON.parse(await get(`/dial?host=${server.ip}&port=8081&request=hostname&protocol=udp&tries=2`))).toEqual({ responses: ['netexec', 'netexec'] });
  expect(JSON.parse(await get(`/dial?host=${server.ip}&port=9&request=hostname&protocol=http`)).errors[0]).toContain('refused');
  expect((await server.exec('/agnhost', 'connect', '--timeout=1s', `${server.ip}:8080`)).code).toBe(0);
  expect((await server.exec('/agnhost', 'connect', '--timeout=1s', `${server.ip}:1`)).stderr).toBe('REFUSED\n');
  expect((await server.exec('/agnhost', 'entrypoint-tester', 'a', 'b')).stdout).toBe('[/agnhost entrypoint-tester a b]\n');
  expect((await server.exec('/agnhost', 'mounttest', '--new_file_0644=/tmp/x', '--file_mode=/tmp/x', '--file_content=/tmp/x')).stdout).toBe('content of file "/tmp/x": mount-tester new file\n\nmode of file "/tmp/x": -rw-r--r--\ncontent of file "/tmp/x": mount-tester new file\n\n');
  await get('/exit?code=7');
  await expect.poll(async () => (await two.runtime.containerStatus({ containerId: server.container })).status?.exitCode).toBe(7);
});

test('redis, postgres, curl and echo servers', async () => {
  const redis = await two.runPod({ name: 'redis', image: 'redis:7' });
  await listening(redis.ip, 6379);
  expect((await redis.sh('redis-cli ping; redis-cli set a 41; redis-cli incr a; redis-cli --no-raw get a; redis-cli --no-raw get none; redis-cli expire a 100; redis-cli ttl a; redis-cli del a')).stdout).toBe('PONG\nOK\n42\n"42"\n(nil)\n1\n100\n1\n');
  expect((await client.sh(`printf "PING\\r\\nSET k v\\r\\nGET k\\r\\nQUIT\\r\\n" | nc ${redis.ip} 6379`)).stdout).toBe('+PONG\r\n+OK\r\n$1\r\nv\r\n+OK\r\n');
  const postgres = await two.runPod({ name: 'pg', image: 'postgres:17', envs: [{ key: 'POSTGRES_PASSWORD', value: 'x' }] });
  expect(await postgres.exec('pg_isready')).toMatchObject({ code: 0, stdout: '/var/run/postgresql:5432 - accepting connections\n' });
  const echo = await two.runPod({ name: 'echo', image: 'hashicorp/http-echo', args: ['-text=hello', '-listen=:5000'] });
  const curl = await one.runPod({ name: 'curl', image: 'curlimages/curl', command: ['sleep', '3600'] });
  expect(await curl.exec('curl', '-s', `http://${echo.ip}:5000`)).toMatchObject({ stdout: 'hello\n' });
  expect(await curl.exec('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}\\n', `http://${echo.ip}:5000`)).toMatchObject({ stdout: '200\n' });
  expect(await curl.exec('curl', '-sS', `http://${echo.ip}:1`)).toMatchObject({ code: 7, stderr: `curl: (7) Failed to connect to ${echo.ip} port 1: Connection refused\n` });
  const whoami = await two.runPod({ name: 'who', image: 'traefik/whoami:v1.10' });
  expect((await curl.exec('curl', '-s', '-H', 'X-A: b', whoami.ip)).stdout).toMatch(/^Hostname: who\nIP: 127\.0\.0\.1\nIP: 10\.244\.2\.\d+\nRemoteAddr: .*\nGET \/ HTTP\/1\.1\n[^]*X-A: b\n/);
  const hello = await two.runPod({ name: 'hello', image: 'gcr.io/google-samples/hello-app:1.0' });
  expect((await curl.exec('curl', '-s', `${hello.ip}:8080`)).stdout).toBe('Hello, world!\nVersion: 1.0.0\nHostname: hello\n');
  const httpd = await two.runPod({ name: 'httpd', image: 'httpd:2.4' });
  expect((await curl.exec('curl', '-si', httpd.ip)).stdout).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*It works!/);
});
