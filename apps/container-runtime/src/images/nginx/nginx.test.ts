import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestNode, type TestPod, testNode } from '../../testing/test-node.ts';

let node: TestNode;
let client: TestPod;
let pods = 0;

beforeAll(async () => {
  node = await testNode();
  client = await node.runPod({ name: 'client', image: 'busybox', command: ['sleep', '3600'] });
});

afterAll(async () => {
  await node.component.stop();
  expect(node.problems).toEqual([]);
});

interface Site extends TestPod {
  /** Status line and headers of interest, then the body. */
  get(path: string, options?: { port?: number; method?: string; headers?: readonly string[]; body?: string }): Promise<{ status: number; headers: Record<string, string>; body: string }>;
}

/** A running nginx with these servers and files. */
async function site(servers: string, files: Readonly<Record<string, string>> = {}): Promise<Site> {
  const name = `site-${pods++}`;
  const bytes = (text: string) => ({ bytes: Buffer.from(text), mode: 0o644 });
  await node.volumes.writeVolume(`/vol/${name}/conf`, new Map([['site.conf', bytes(servers)]]));
  await node.volumes.writeVolume(`/vol/${name}/www`, new Map(Object.entries({ 'index.html': 'home', ...files }).map(([path, text]) => [path, bytes(text)])));
  const pod = await node.runPod({ name, image: 'nginx:alpine', mounts: [{ hostPath: `/vol/${name}/conf`, containerPath: '/etc/nginx/conf.d' }, { hostPath: `/vol/${name}/www`, containerPath: '/www' }] });
  await client.sh(`until nc -z ${pod.ip} 80 2>/dev/null; do sleep 0.01; done`);
  return {
    ...pod,
    async get(path, { port = 80, method = 'GET', headers = ['Host: site.test'], body = '' } = {}) {
      const head = [`${method} ${path} HTTP/1.1`, ...headers, ...(body ? [`Content-Length: ${body.length}`] : []), 'Connection: close', '', body].join('\\r\\n');
      const { stdout } = await client.sh(`printf '${head.replaceAll('%', '%%')}' | nc ${pod.ip} ${port}`);
      const [top = '', ...rest] = stdout.split('\r\n\r\n');
      const [first = '', ...lines] = top.split('\r\n');
      return { status: Number(first.split(' ')[1]), headers: Object.fromEntries(lines.map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string])), body: rest.join('\r\n\r\n') };
    },
  };
}

test('locations are chosen as nginx does', async () => {
  const web = await site(`server {
    listen 80;
    location / { return 200 prefix; }
    location /images/ { return 200 images; }
    location ^~ /static/ { return 200 static; }
    location = /exact { return 200 exact; }
    location ~ \\.php$ { return 200 "php $uri"; }
    location ~* \\.(?<kind>jpe?g|png)$ { return 200 "picture $kind"; }
    location /outer/ {
      location /outer/inner { return 200 inner; }
      return 200 outer;
    }
  }`);
  const cases: [path: string, body: string][] = [
    ['/', 'prefix'], ['/exact', 'exact'], ['/exact/', 'prefix'], ['/images/a.txt', 'images'], ['/images/a.PNG', 'picture PNG'], ['/static/a.png', 'static'], ['/x.php?q=1', 'php /x.php'], ['/outer/inner/1', 'inner'], ['/outer/x', 'outer'], ['/a/../exact', 'exact'], ['//exact', 'exact'],
  ];
  for (const [path, body] of cases) expect([path, (await web.get(path)).body]).toEqual([path, body]);
});

test('servers are chosen by port and name', async () => {
  const web = await site(`
    server { listen 80; server_name a.test; return 200 a; }
    server { listen 80; server_name *.wild.test; return 200 wild; }
    server { listen 80 default_server; server_name _; return 200 "default $host"; }
    server { listen 80; server_name ~^v(\\d+)\\.test$; return 200 "version $1"; }
    server { listen 81; return 200 other-port; }`);
  const cases: [host: string, body: string][] = [['a.test', 'a'], ['A.TEST:80', 'a'], ['x.wild.test', 'wild'], ['v12.test', 'version 12'], ['nobody', 'default nobody']];
  for (const [host, body] of cases) expect([host, (await web.get('/', { headers: [`Host: ${host}`] })).body]).toEqual([host, body]);
  expect((await web.get('/', { port: 81 })).body).toBe('other-port');
});

test('files: types, ranges, conditions, indexes, missing ones, error pages', async () => {
  const web = await site(
    `server {
      listen 80;
      root /www;
      location / { try_files $uri $uri/ =404; }
      location /app/ { try_files $uri /app/index.html; }
      location /list/ { alias /www/; autoindex on; index none; }
      location /alias/ { alias /www/sub/; add_header X-One 1; add_header X-Two "$arg_q" always; expires 1h; }
      location /closed { deny all; }
      location /gone { error_page 410 = /index.html; return 410; }
      error_page 404 /404.html;
      error_page 403 =200 /index.html;
    }`,
    { 'a.css': 'body{}', 'sub/b.json': '{}', '404.html': 'not here', 'app/index.html': 'app' },
  );
  expect(await web.get('/')).toMatchObject({ status: 200, body: 'home', headers: { Server: 'nginx/1.27.5', 'Content-Type': 'text/html', 'Content-Length': '4', 'Accept-Ranges': 'bytes' } });
  const css = await web.get('/a.css');
  expect(css.headers['Content-Type']).toBe('text/css');
  expect(await web.get('/a.css', { headers: ['Host: x', `If-None-Match: ${css.headers['ETag']}`] })).toMatchObject({ status: 304, body: '' });
  expect(await web.get('/a.css', { headers: ['Host: x', 'Range: bytes=1-2'] })).toMatchObject({ status: 206, body: 'od', headers: { 'Content-Range': 'bytes 1-2/6' } });
  expect(await web.get('/a.css', { headers: ['Host: x', 'Range: bytes=9-'] })).toMatchObject({ status: 416 });
  expect(await web.get('/a.css', { method: 'HEAD' })).toMatchObject({ status: 200, body: '', headers: { 'Content-Length': '6' } });
  expect(await web.get('/a.css', { method: 'DELETE' })).toMatchObject({ status: 405 });
  expect(await web.get('/nope')).toMatchObject({ status: 404, body: 'not here' });
  expect(await web.get('/app/deep/link')).toMatchObject({ status: 200, body: 'app' });
  expect(await web.get('/sub')).toMatchObject({ status: 301, headers: { Location: 'http://site.test/sub/' } });
  expect((await web.get('/list/')).body).toContain('<a href="sub/">sub/</a>');
  expect(await web.get('/alias/b.json?q=5')).toMatchObject({ status: 200, body: '{}', headers: { 'Content-Type': 'application/json', 'X-One': '1', 'X-Two': '5', 'Cache-Control': 'max-age=3600' } });
  const missing = await web.get('/alias/zzz?q=6');
  expect(missing.headers['X-One']).toBeUndefined();
  expect(await web.get('/closed')).toMatchObject({ status: 200, body: 'home' });
  expect(await web.get('/gone')).toMatchObject({ status: 200, body: 'home' });
  expect(await web.get('/', { headers: [] })).toMatchObject({ status: 400 });
  expect(await web.get('/../../etc/passwd')).toMatchObject({ status: 400 });
});

test('rewrites, variables, maps and conditions', async () => {
  const web = await site(`
    map $http_x_color $shade { default none; red warm; ~^bl cold; }
    server {
      listen 80;
      set $greeting hello;
      rewrite ^/old/(.*)$ /new/$1?from=old permanent;
      rewrite ^/in/(.*)$ /out/$1 last;
      location /out/ { return 200 "$uri $args $greeting"; }
      location /shade { return 200 $shade; }
      location /if { if ($arg_x = 1) { return 200 one; } if ($request_method != GET) { return 405; } return 200 other; }
      location /moved { return 302 /else?a=$arg_a; }
      location /text { default_type application/json; return 200 '{"host":"$host","method":"$request_method"}'; }
      location /loop { rewrite ^ /loop last; }
    }`);
  expect(await web.get('/old/a?b=1')).toMatchObject({ status: 301, headers: { Location: 'http://site.test/new/a?from=old&b=1' } });
  expect((await web.get('/in/x?k=v')).body).toBe('/out/x k=v hello');
  for (const [color, shade] of [['red', 'warm'], ['blue', 'cold'], ['green', 'none']]) expect((await web.get('/shade', { headers: ['Host: x', `X-Color: ${color}`] })).body).toBe(shade);
  expect((await web.get('/if?x=1')).body).toBe('one');
  expect((await web.get('/if?x=2')).body).toBe('other');
  expect((await web.get('/if', { method: 'PUT' })).status).toBe(405);
  expect(await web.get('/moved?a=9')).toMatchObject({ status: 302, headers: { Location: 'http://site.test/else?a=9' } });
  expect(await web.get('/text')).toMatchObject({ body: '{"host":"site.test","method":"GET"}', headers: { 'Content-Type': 'application/json' } });
  expect((await web.get('/loop')).status).toBe(500);
});

test('proxies: URIs, headers, upstreams, bodies, failures', async () => {
  const web = await site(`
    upstream both { server 127.0.0.1:8001; server 127.0.0.1:8002; }
    upstream broken { server 127.0.0.1:1; server 127.0.0.1:8001; }
    server { listen 8001; location / { return 200 "one $request_uri $http_host $http_x_real_ip"; } }
    server { listen 8002; location / { return 200 "two"; } location /redirect { return 301 http://127.0.0.1:8002/app/x; } }
    server {
      listen 80;
      location /keep/ { proxy_pass http://127.0.0.1:8001; }
      location /swap/ { proxy_pass http://127.0.0.1:8001/v1/; proxy_set_header Host $host; proxy_set_header X-Real-IP $remote_addr; }
      location /both { proxy_pass http://both; }
      location /broken { proxy_pass http://broken; }
      location /down { proxy_pass http://127.0.0.1:1; }
      location /page { proxy_pass http://127.0.0.1:1; error_page 502 = @sorry; }
      location @sorry { return 503 "sorry"; }
      location /small { client_max_body_size 4; proxy_pass http://127.0.0.1:8001; }
    }`);
  expect((await web.get('/keep/a%20b?c=d')).body).toBe('one /keep/a%20b?c=d 127.0.0.1:8001 ');
  expect((await web.get('/swap/a?c=d')).body).toBe(`one /v1/a?c=d site.test ${client.ip}`);
  expect(await web.get('/swap')).toMatchObject({ status: 301, headers: { Location: 'http://site.test/swap/' } });
  const turns = [await web.get('/both'), await web.get('/both')].map(({ body }) => body.slice(0, 3)).sort();
  expect(turns).toEqual(['one', 'two']);
  expect((await web.get('/broken')).status).toBe(200);
  const down = await web.get('/down');
  expect(down).toMatchObject({ status: 502 });
  expect(down.body).toContain('<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.27.5</center>');
  expect(await web.get('/page')).toMatchObject({ status: 503, body: 'sorry' });
  expect((await web.get('/small', { method: 'POST', body: 'abcd' })).status).toBe(200);
  expect((await web.get('/small', { method: 'POST', body: 'abcde' })).status).toBe(413);
  expect(await node.log(web.container)).toContain('connect() failed (111: Connection refused) while connecting to upstream');
});

test('upgrades are passed on when the headers are', async () => {
  const web = await site(`server { listen 80; location / { proxy_pass http://${client.ip}:9000; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; } }`);
  await client.sh(`cat > /tmp/ws <<'EOF'
while read line; do [ "$line" = "$(printf '\\r')" ] && break; done
printf 'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\n'
read word; echo "echo $word"
EOF
nc -lk -p 9000 -e sh /tmp/ws > /dev/null 2>&1 &`);
  const { stdout } = await client.sh(`printf 'GET /chat HTTP/1.1\\r\\nHost: x\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\nhello\\n' | nc ${web.ip} 80`);
  expect(stdout).toContain('HTTP/1.1 101 Switching Protocols');
  expect(stdout).toContain('echo hello');
});

test('mistakes stop the start with nginx’s words', async () => {
  const cases: [config: string, problem: string][] = [
    ['server {\n listen 80;\n foo bar;\n}', 'unknown directive "foo" in /etc/nginx/conf.d/x.conf:3'],
    ['server {\n listen 80\n server_name x;\n}', 'invalid parameter "server_name" in /etc/nginx/conf.d/x.conf:3'],
    ['server {\n listen 80;\n', 'unexpected end of file, expecting "}" in /etc/nginx/conf.d/x.conf:3'],
    ['server {\n root /a /b;\n}', 'invalid number of arguments in "root" directive in /etc/nginx/conf.d/x.conf:2'],
    ['listen 80;', '"listen" directive is not allowed here in /etc/nginx/conf.d/x.conf:1'],
    ['}', 'unexpected "}" in /etc/nginx/conf.d/x.conf:1'],
    ['server { location / { proxy_pass http://nowhere; } }', 'host not found in upstream "nowhere" in /etc/nginx/conf.d/x.conf:1'],
    ['server { return 200 $nothing; }', 'unknown "nothing" variable'],
    ['server { location /a {} location /a {} }', 'duplicate location "/a" in /etc/nginx/conf.d/x.conf:1'],
    ['include /missing.conf;', 'open() "/missing.conf" failed (2: No such file or directory) in /etc/nginx/conf.d/x.conf:1'],
    ['server { listen 80; sendfile maybe; }', 'invalid value "maybe" in "sendfile" directive, it must be "on" or "off" in /etc/nginx/conf.d/x.conf:1'],
  ];
  for (const [config, problem] of cases) {
    await client.sh('true');
    const pod = await node.runPod({ name: `bad-${pods++}`, image: 'nginx', command: ['sh', '-c', `printf '%s' '${config}' > /etc/nginx/conf.d/x.conf; nginx -t; echo "exit $?"; exec sleep 100`] });
    await expect.poll(() => node.log(pod.container)).toContain('exit 1');
    const log = await node.log(pod.container);
    expect(log).toContain(`nginx: [emerg] ${problem}\nnginx: configuration file /etc/nginx/nginx.conf test failed\n`);
  }
});

test('start, log format, reload, and stop', async () => {
  const web = await site(`log_format short escape=json '{"u":"$uri","s":$status,"a":"$http_user_agent"}';
server { listen 80; access_log /var/log/nginx/access.log short; return 200 ok; }`);
  await web.get('/x', { headers: ['Host: x', 'User-Agent: say "hi"'] });
  const log = await node.log(web.container);
  expect(log).toContain('/docker-entrypoint.sh: Configuration complete; ready for start up\n');
  expect(log).toContain('{"u":"/x","s":200,"a":"say \\"hi\\""}\n');
  expect(await web.sh('nginx -v')).toMatchObject({ code: 0, stderr: 'nginx version: nginx/1.27.5\n' });
  expect(await web.sh('echo "broken" > /etc/nginx/conf.d/site.conf; nginx -s reload')).toMatchObject({ code: 1, stderr: expect.stringContaining('unexpected end of file, expecting ";" or "}"') });
  await web.sh('kill -HUP 1');
  await expect.poll(() => node.log(web.container)).toContain('[emerg] 1#1: unexpected end of file, expecting ";" or "}" in /etc/nginx/conf.d/site.conf:2');
  expect((await web.get('/y')).body).toBe('ok');
  await node.runtime.stopContainer({ containerId: web.container, timeout: 5n });
  expect((await node.runtime.containerStatus({ containerId: web.container })).status?.exitCode).toBe(0);
  expect(await node.log(web.container)).toMatch(/signal 3 \(SIGQUIT\) received, shutting down\n.*gracefully shutting down\n.*exit\n$/);
});

test('unprivileged, templates, taken ports', async () => {
  await node.volumes.writeVolume('/vol/templates', new Map([['hi.conf.template', { bytes: Buffer.from('server { listen 8081; return 200 "${WHO} $uri"; }'), mode: 0o644 }]]));
  const web = await node.runPod({ name: 'unprivileged', image: 'nginxinc/nginx-unprivileged', envs: [{ key: 'WHO', value: 'world' }], mounts: [{ hostPath: '/vol/templates', containerPath: '/etc/nginx/templates' }] });
  await client.sh(`until nc -z ${web.ip} 8080 2>/dev/null; do sleep 0.01; done`);
  expect((await client.sh(`wget -qO- ${web.ip}:8080`)).stdout).toContain('Welcome to nginx!');
  expect((await client.sh(`wget -qO- ${web.ip}:8081/x`)).stdout).toBe('world /x');
  expect(await node.log(web.container)).toContain('20-envsubst-on-templates.sh: Running envsubst on /etc/nginx/templates/hi.conf.template to /etc/nginx/conf.d/hi.conf\n');
  const root = await node.runPod({ name: 'user', image: 'nginx', linux: { securityContext: { runAsUser: { value: 101n } } } });
  await expect.poll(() => node.log(root.container)).toContain('nginx: [emerg] mkdir() "/var/cache/nginx/client_temp" failed (13: Permission denied)');
  const busy = await node.runPod({ name: 'busy', image: 'nginx', command: ['sh', '-c', 'nginx; nginx -g "daemon off;"; echo "exit $?"; sleep 9'] });
  await expect.poll(() => node.log(busy.container)).toContain('nginx: [emerg] still could not bind()\nexit 1\n');
  expect(await node.log(busy.container)).toContain('bind() to 0.0.0.0:80 failed (98: Address already in use)');
});
