import { Pods } from '@orrery/api';
import type { Probe } from '@orrery/api/types';
import { NetError } from '@orrery/vnet';
import type { Conn } from '@orrery/vnet';
import { streamPair } from '@orrery/http';
import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';

/** A pod network in which every address answers HTTP with the status `answer()` gives, or redirects to the text it gives; undefined refuses. */
function network(answer: (request: string) => number | string | undefined) {
  const requests: string[] = [];
  const dial = async (): Promise<Conn> => {
    if (answer('') === undefined) throw new NetError('ECONNREFUSED', 'refused');
    const [client, server] = streamPair();
    void (async () => {
      const request = await server.read();
      if (!request) return;
      requests.push(Buffer.from(request).toString());
      const reply = answer(Buffer.from(request).toString());
      await server.write(Buffer.from(typeof reply === 'string' ? `HTTP/1.1 302 X\r\nLocation: ${reply}\r\nContent-Length: 2\r\n\r\nhi` : `HTTP/1.1 ${reply ?? 500} X\r\nContent-Length: 2\r\n\r\nhi`));
      await server.closeWrite();
    })();
    return { ...client, local: { ip: '', port: 0 }, remote: { ip: '', port: 0 } };
  };
  return { requests, dialer: { dial } };
}

const ready = (pod: { status?: { containerStatuses?: { ready: boolean }[] } }) => pod.status?.containerStatuses?.[0]?.ready;

async function startedWith(probes: { readinessProbe?: Probe; livenessProbe?: Probe; startupProbe?: Probe }, answer: (request: string) => number | string | undefined, exec?: () => { exitCode: number; stdout?: string }) {
  const net = network(answer);
  const f = fixture({ deps: { dialer: net.dialer }, ...(exec ? { script: () => ({ exec }) } : {}) });
  await f.kubelet.start();
  await f.create('p', { containers: [container('app', { ports: [{ name: 'web', containerPort: 8080 }], ...probes })], terminationGracePeriodSeconds: 1 });
  await f.clock.advance(10);
  return { ...f, net };
}

test('readiness follows an HTTP probe with its thresholds and delay', async () => {
  let status: number | undefined = 200;
  const f = await startedWith({ readinessProbe: { httpGet: { path: '/ok', port: 'web', httpHeaders: [{ name: 'X-A', value: 'b' }] }, initialDelaySeconds: 5, periodSeconds: 2, failureThreshold: 2 } }, () => status);
  expect([f.pod('p').status?.phase, ready(f.pod('p'))]).toEqual(['Running', false]);
  await f.clock.advance(4_000);
  expect(ready(f.pod('p'))).toBe(false);
  await f.clock.advance(1_500);
  expect(ready(f.pod('p'))).toBe(true);
  expect(f.net.requests[0]).toMatch(/^GET \/ok HTTP\/1.1\r\nHost: 10.244.1.2:8080\r\nX-A: b\r\nUser-Agent: kube-probe\/1.36\r\n/);
  status = 503;
  await f.clock.advance(2_000);
  expect(ready(f.pod('p'))).toBe(true);
  await f.clock.advance(2_000);
  expect(ready(f.pod('p'))).toBe(false);
  expect(f.events()).toContain('Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503');
  status = undefined;
  await f.clock.advance(2_000);
  expect(f.events()).toContain('Unhealthy: Readiness probe failed: Get "http://10.244.1.2:8080/ok": dial tcp 10.244.1.2:8080: connect: connection refused');
});

test('a failed liveness probe restarts the container', async () => {
  let exitCode = 0;
  const f = await startedWith({ livenessProbe: { exec: { command: ['check'] }, periodSeconds: 1, failureThreshold: 3 } }, () => 200, () => ({ exitCode, stdout: exitCode ? 'sick' : '' }));
  await f.clock.advance(5_000);
  expect(f.pod('p').status?.containerStatuses?.[0]?.restartCount).toBe(0);
  exitCode = 1;
  await f.clock.advance(3_500);
  exitCode = 0;
  await f.clock.advance(1_000);
  expect(f.pod('p').status?.containerStatuses?.[0]).toMatchObject({ restartCount: 1, ready: true });
  expect(f.events()).toEqual(expect.arrayContaining(['Unhealthy: Liveness probe failed: sick', 'Killing: Container app failed liveness probe, will be restarted']));
});

test('nothing else is probed before the startup probe succeeds', async () => {
  let status: number | undefined = undefined;
  const f = await startedWith({ startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 10 }, readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } }, () => status);
  await f.clock.advance(3_000);
  expect(f.pod('p').status?.containerStatuses?.[0]).toMatchObject({ started: false, ready: false, state: { running: {} } });
  expect(f.events().filter((e) => e.includes('Readiness'))).toEqual([]);
  status = 200;
  await f.clock.advance(2_500);
  expect(f.pod('p').status?.containerStatuses?.[0]).toMatchObject({ started: true, ready: true });
});

test('hooks: postStart runs after the start and its failure ends the container; preStop goes before the stop', async () => {
  const ran: string[] = [];
  let fail = false;
  const f = fixture({ script: () => ({ exec: (command) => (ran.push(command.join(' ')), { exitCode: fail ? 1 : 0 }) }) });
  await f.kubelet.start();
  await f.create('p', { containers: [container('app', { lifecycle: { postStart: { exec: { command: ['hello'] } }, preStop: { sleep: { seconds: 3 } } } })] });
  await f.clock.advance(10);
  expect([ran, f.pod('p').status?.phase]).toEqual([['hello'], 'Running']);
  await f.api.delete(Pods, { namespace: 'default', name: 'p' });
  await f.clock.advance(2_000);
  expect(f.pod('p')).toBeDefined();
  await f.clock.advance(2_000);
  expect(f.pod('p')).toBeUndefined();
  fail = true;
  await f.create('q', { containers: [container('app', { lifecycle: { postStart: { exec: { command: ['hello'] } } } })] });
  await f.clock.advance(10);
  expect(f.events()).toEqual(expect.arrayContaining(['FailedPostStartHook: PostStartHook failed', 'Killing: FailedPostStartHook']));
});

test('redirects are followed on the host, and lead elsewhere as an answer', async () => {
  const livenessProbe: Probe = { httpGet: { path: '/redirect', port: 8080 }, periodSeconds: 1, failureThreshold: 1 };
  const local = await startedWith({ livenessProbe }, (request) => (request.startsWith('GET /redirect ') ? '/healthz?x=1' : 500));
  await local.clock.advance(5_000);
  expect(local.events()).toContain('Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500');
  expect(local.net.requests[1]).toMatch(/^GET \/healthz\?x=1 HTTP\/1\.1\r\nHost: [\d.]+:8080\r\n/);
  const foreign = await startedWith({ livenessProbe }, () => 'http://0.0.0.0/');
  await foreign.clock.advance(5_000);
  expect(foreign.events().filter((event) => event.startsWith('Unhealthy'))).toEqual([]);
  expect(foreign.events()).toContain('ProbeWarning: Liveness probe warning: Probe terminated redirects, Response body: hi');
  const circle = await startedWith({ livenessProbe }, () => '/redirect');
  await circle.clock.advance(2_000);
  expect(circle.events()).toContain('Unhealthy: Liveness probe failed: Get "/redirect": stopped after 10 redirects');
});

test('a pod that ends is asked whether it is ready as long as it runs, and nothing restarts it', async () => {
  let status = 200;
  const net = network(() => status);
  const f = fixture({ deps: { dialer: net.dialer }, script: () => ({ stopMs: 20_000 }) });
  await f.kubelet.start();
  const probe = { httpGet: { port: 8080 }, periodSeconds: 1, failureThreshold: 1 };
  await f.create('p', { containers: [container('app', { readinessProbe: probe, livenessProbe: probe })], terminationGracePeriodSeconds: 30 });
  await f.clock.advance(1_500);
  expect(ready(f.pod('p'))).toBe(true);
  await f.api.delete(Pods, { namespace: 'default', name: 'p' });
  await f.clock.advance(3_000);
  expect(ready(f.pod('p'))).toBe(true);
  status = 503;
  await f.clock.advance(3_000);
  expect(ready(f.pod('p'))).toBe(false);
  expect(f.pod('p').status).toMatchObject({ phase: 'Running', observedGeneration: f.pod('p').metadata?.generation });
  expect(f.events().filter((text) => text.startsWith('Unhealthy: Liveness'))).toEqual([]);
  await f.clock.advance(20_000);
  expect(f.api.find(Pods, 'p', 'default')).toBeUndefined();
  await f.kubelet.stop();
});
