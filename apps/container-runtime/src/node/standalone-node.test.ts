import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoryTree, criChannel, criClients, fileLogSink, inNodeRoot } from '@orrery/cri';
import { dialHost, realEnv, serveHttp } from '@orrery/node-io';
import { grpcChannel } from '@orrery/rpc';
import { resolveConfig } from '@orrery/runtime';
import { remoteSwitchControl, switchDialer } from '@orrery/vnet-link';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { containerRuntimeSchema } from '../config.ts';
import { hostTree } from '../fs/host-tree.ts';
import { type StandaloneNode, createStandaloneNode, standaloneNodeSchema } from './standalone-node.ts';

const dir = mkdtempSync(join(tmpdir(), 'orrery-nodes-'));
const env = realEnv({ name: 'test', level: 'error' });
const nodes: StandaloneNode[] = [];

const kubelet = await serveHttp({ host: '127.0.0.1', port: 0, handler: { request: (_request, response) => response.send(200, {}, 'from the kubelet\n') } });

function node(n: number, nodeRoot: string): StandaloneNode {
  const settings = {
    node: `n${n}`, nodeIp: `10.240.0.${n}`, podCidr: `10.244.${n}.0/24`, nodeRoot, pullMs: 0,
    listen: `unix://${dir}/${n}.sock`, vnetListen: '127.0.0.1:0', nodePorts: [`10250=127.0.0.1:${kubelet.port}`],
  };
  const locate = (path: string): string => inNodeRoot(nodeRoot, path);
  const deps = {
    mounts: { open: (path: string) => hostTree(new DirectoryTree(locate(path))), find: (path: string) => hostTree(new DirectoryTree(locate(path))) },
    logs: fileLogSink(locate),
    tls: undefined,
    connect: (endpoint: string) => grpcChannel(endpoint),
    dialHost,
  };
  return createStandaloneNode(env, deps, resolveConfig({ ...containerRuntimeSchema, ...standaloneNodeSchema }, [settings]));
}

/** Runs a busybox container and returns its pod's address. */
async function run(n: number, script: string): Promise<string> {
  const channel = criChannel(`unix://${dir}/${n}.sock`);
  const { runtime, images } = criClients(channel);
  const image = { image: 'busybox' };
  await images.pullImage({ image });
  const config = { metadata: { name: 'p', namespace: 'd', uid: `u${n}`, attempt: 0 }, logDirectory: `/var/log/pods/u${n}` };
  const { podSandboxId = '' } = await runtime.runPodSandbox({ config });
  const mounts = [{ containerPath: '/www', hostPath: '/srv/www', readonly: false }];
  const container = { metadata: { name: 'c', attempt: 0 }, image, command: ['sh', '-c', script], mounts, logPath: 'c/0.log' };
  const { containerId = '' } = await runtime.createContainer({ podSandboxId, config: container, sandboxConfig: config });
  await runtime.startContainer({ containerId });
  const { status } = await runtime.podSandboxStatus({ podSandboxId });
  channel.close();
  return status?.network?.ip ?? '';
}

beforeAll(async () => {
  for (const n of [1, 2]) {
    const root = join(dir, `root${n}`);
    mkdirSync(join(root, 'srv/www'), { recursive: true });
    writeFileSync(join(root, 'srv/www/index.html'), `from node ${n}\n`);
    const started = node(n, root);
    nodes.push(started);
    await started.start();
  }
});
afterAll(async () => {
  for (const started of nodes) await started.stop();
  await kubelet.close();
  rmSync(dir, { recursive: true, force: true });
});

it('links nodes, applies service rules, mounts and logs on disk', async () => {
  const endpoints = nodes.map((started) => `127.0.0.1:${started.vnetPort()}`);
  const ip = await run(1, 'httpd -f -p 80 -h /www');
  expect(ip).toMatch(/^10\.244\.1\./);
  const peers = endpoints.map((endpoint, i) => ({ node: `n${i + 1}`, addresses: [`10.240.0.${i + 1}`, `10.244.${i + 1}.0/24`], endpoint }));
  for (const endpoint of endpoints) {
    const control = remoteSwitchControl(grpcChannel(endpoint), env.clock);
    await control.setPeers(peers);
    await control.setServiceRules([{ match: { ip: '10.96.0.80', port: 80, protocol: 'TCP' }, service: 'd/web', backends: [{ ip, port: 80 }], whenEmpty: 'refuse' }]);
    control.close();
  }
  const log = join(dir, 'root2/var/log/pods/u2/c/0.log');
  await run(2, 'until wget -qO- http://10.96.0.80/; do sleep 0.05; done; wget -qO- http://10.240.0.2:10250/; echo written > /www/out');
  await expect.poll(() => readFileSync(log, 'utf8')).toMatch(/^\S+Z stdout F from node 1\n\S+Z stdout F from the kubelet\n$/);
  await expect.poll(() => readFileSync(join(dir, 'root2/srv/www/out'), 'utf8')).toBe('written\n');

  const dialer = switchDialer(grpcChannel(endpoints[0] ?? ''), { clock: env.clock, ip: '10.240.0.1' });
  const conn = await dialer.dial({ ip, port: 80 });
  await conn.write(Buffer.from('GET / HTTP/1.0\r\n\r\n'));
  let text = '';
  for (let bytes = await conn.read(); bytes; bytes = await conn.read()) text += Buffer.from(bytes).toString();
  expect(text).toContain('from node 1');
  await expect(dialer.dial({ ip, port: 81 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  dialer.close();
});
