import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createCsr, generateKey } from '@orrery/node-io';
import { eventually } from '@orrery/testkit';
import { expect } from 'vitest';
import type { Transcript } from './transcript.ts';

/** What takes two at once: something that goes on, and what happens meanwhile. */
interface Running {
  /** Both streams, as far as it came. */
  readonly seen: () => string;
  readonly end: () => Promise<number>;
}

export interface Flow extends Transcript {
  readonly program: string;
  readonly kubeconfig: string;
}

function start({ program, kubeconfig, cwd, namespace }: Flow, args: readonly string[]): Running {
  const child = spawn(program, ['-n', namespace, ...args], { cwd, env: { ...process.env, KUBECONFIG: kubeconfig, HOME: cwd }, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => void (text += chunk.toString()));
  const ended = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)));
  return {
    seen: () => text,
    end: () => {
      child.kill('SIGINT');
      return ended;
    },
  };
}

async function during(at: Flow, args: readonly string[], work: (running: Running) => Promise<void>): Promise<void> {
  const running = start(at, args);
  try {
    await work(running);
  } catch (error) {
    throw new Error(`kubectl ${args.join(' ')} showed:\n${running.seen()}`, { cause: error });
  } finally {
    await running.end();
  }
}

const shows = (running: Running, what: RegExp): Promise<true> => eventually(() => what.test(running.seen()) as true | false, { what: `to see ${String(what)}`, withinMs: 20_000, everyMs: 20 });
const in_ = ({ namespace }: Transcript, ...args: string[]): string[] => ['-n', namespace, ...args];

export async function watches(at: Flow): Promise<void> {
  const { kubectl } = at;
  await kubectl.ok(in_(at, 'create', 'configmap', 'w1'));
  await during(at, ['get', 'configmaps', '-w', '--output-watch-events', '--field-selector=metadata.name!=kube-root-ca.crt'], async (running) => {
    await shows(running, /ADDED\s+w1\s+0\s/);
    await kubectl.ok(in_(at, 'create', 'configmap', 'w2', '--from-literal=a=b'));
    await shows(running, /ADDED\s+w2\s+1\s/);
    await kubectl.ok(in_(at, 'label', 'configmap', 'w2', 'x=y'));
    await shows(running, /MODIFIED\s+w2\s+1\s/);
    await kubectl.ok(in_(at, 'delete', 'configmap', 'w2'));
    await shows(running, /DELETED\s+w2\s+1\s/);
  });
  await during(at, ['get', 'configmaps', '--watch-only', '-o', 'json', '-l', 'watch=me'], async (running) => {
    await eventually(async () => {
      await kubectl.ok(in_(at, 'label', 'configmap', 'w1', 'watch=me', '--overwrite'));
      await kubectl.ok(in_(at, 'label', 'configmap', 'w1', 'watch-'));
      return /"name": "w1"/.test(running.seen());
    }, { what: 'the object comes into view' });
  });
  await during(at, ['events', '-w'], async (running) => {
    await kubectl.ok(in_(at, 'run', 'eventful', '--image=nginx'));
    await shows(running, /Started\s+Pod\/eventful\s/);
  });
}

export async function waits(at: Flow): Promise<void> {
  const { kubectl } = at;
  await kubectl.ok(in_(at, 'create', 'configmap', 'going'));
  await during(at, ['wait', '--for=delete', 'configmap/going', '--timeout=90s', '-v=6'], async (running) => {
    await shows(running, /watch=true/);
    await kubectl.ok(in_(at, 'delete', 'configmap', 'going'));
    await shows(running, /configmap\/going condition met\n/);
  });
  await during(at, ['wait', '--for=create', 'configmap/coming', '--timeout=90s'], async (running) => {
    await kubectl.ok(in_(at, 'create', 'configmap', 'coming', '--from-literal=a=b'));
    // Kubectl before 1.31 has no such condition.
    await shows(running, /^(configmap\/coming condition met|error: unrecognized condition: "create")\n$/);
  });
  await during(at, ['wait', '--for=jsonpath={.data.a}=c', 'configmap/coming', '--timeout=90s'], async (running) => {
    await kubectl.ok(in_(at, 'patch', 'configmap', 'coming', '-p', '{"data":{"a":"c"}}'));
    await shows(running, /^configmap\/coming condition met\n$/);
  });
}

export async function follows(at: Flow): Promise<void> {
  const { kubectl } = at;
  await kubectl.ok(in_(at, 'run', 'talk', '--image=busybox', '--restart=Never', '--', 'sh', '-c', 'echo first; while [ ! -e /tmp/go ]; do echo tick; sleep 0.1; done; echo last'));
  await kubectl.ok(in_(at, 'wait', '--for=condition=Ready', 'pod/talk', '--timeout=90s'));
  await during(at, ['logs', '-f', 'talk'], async (running) => {
    await shows(running, /^first\n/);
    await during(at, ['attach', 'talk'], async (attached) => {
      await shows(attached, /tick\n/);
      await kubectl.ok(in_(at, 'exec', 'talk', '--', 'touch', '/tmp/go'));
      await shows(running, /^first\n(tick\n)+last\n$/);
      await shows(attached, /tick\nlast\n/);
    });
  });
}

/** To a pod, a service and a deployment, several ports at once, and through the proxy of kubectl. */
export async function forwards(at: Flow): Promise<void> {
  const { kubectl, namespace } = at;
  await kubectl.ok(in_(at, 'create', 'deployment', 'front', '--image=nginx', '--port=80'));
  await kubectl.ok(in_(at, 'expose', 'deployment', 'front', '--port=8080', '--target-port=80'));
  await kubectl.ok(in_(at, 'rollout', 'status', 'deployment/front', '--timeout=90s'));
  const body = async (url: string): Promise<string> => (await fetch(url)).text();
  for (const [target, ports] of [['deployment/front', [':80', ':80']], ['service/front', [':8080']]] as const) {
    await during(at, ['port-forward', target, ...ports], async (running) => {
      const forwarded = (): string[] => [...running.seen().matchAll(/Forwarding from 127\.0\.0\.1:(\d+) -> 80\n/g)].map((match) => match[1] ?? '');
      await eventually(() => forwarded().length === ports.length, { what: 'ports that are forwarded' });
      for (const port of forwarded()) for (let i = 0; i < 3; i++) expect(await body(`http://127.0.0.1:${port}/`)).toContain('nginx');
      await shows(running, /Handling connection for \d+\n/);
    });
  }
  const nothing = await kubectl.run(in_(at, 'port-forward', 'service/front', ':1'));
  expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining('Service front does not have a service port 1')]);
  await during(at, ['proxy', '--port=0'], async (running) => {
    await shows(running, /Starting to serve on 127\.0\.0\.1:\d+\n/);
    const base = `http://127.0.0.1:${/:(\d+)\n/.exec(running.seen())?.[1] ?? ''}`;
    expect(await body(`${base}/api/v1/namespaces/${namespace}/services/front:8080/proxy/`)).toContain('nginx');
    expect(JSON.parse(await body(`${base}/api/v1/namespaces/${namespace}/pods?limit=1`))).toMatchObject({ kind: 'PodList' });
    expect((await fetch(`${base}/nope`)).status).toBe(404);
    const refused = await fetch(`${base}/api/v1/namespaces/${namespace}/pods/x/exec`);
    expect([refused.status, await refused.text()]).toEqual([403, 'Forbidden\n']);
  });
}

export async function takesFromUrls(at: Flow): Promise<void> {
  const manifest = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fetched}\ndata: {a: b}\n';
  const server = createServer((_request, response) => void response.end(manifest));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.yaml`;
    expect(await at.kubectl.ok(in_(at, 'apply', '-f', url))).toBe('configmap/fetched created\n');
    expect(await at.kubectl.ok(in_(at, 'get', '-f', url, '-o', 'jsonpath={.data.a}'))).toBe('b');
    expect(await at.kubectl.ok(in_(at, 'delete', '-f', url))).toContain('configmap "fetched" deleted');
  } finally {
    server.close();
  }
}

/** Approves and denies requests whose signer nobody is. */
export async function certifies(at: Flow): Promise<void> {
  const { kubectl, namespace } = at;
  const request = Buffer.from(createCsr({ subject: { commonName: 'someone' }, key: generateKey().key })).toString('base64');
  const csr = (name: string): string => JSON.stringify({ apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name }, spec: { request, signerName: 'example.com/none', usages: ['client auth'] } });
  const names = [`${namespace}-yes`, `${namespace}-no`] as const;
  for (const name of names) await kubectl.ok(['create', '-f', '-'], { input: csr(name) });
  expect(await kubectl.ok(['certificate', 'approve', names[0]])).toBe(`certificatesigningrequest.certificates.k8s.io/${names[0]} approved\n`);
  expect(await kubectl.ok(['certificate', 'deny', names[1]])).toBe(`certificatesigningrequest.certificates.k8s.io/${names[1]} denied\n`);
  expect(await kubectl.ok(['get', 'csr', ...names])).toMatch(/example\.com\/none\s+kubernetes-admin\s+<none>\s+Approved\n.*\s+Denied\n/);
  expect(await kubectl.ok(['describe', 'csr', names[0]])).toMatch(/Requesting User: {4}kubernetes-admin\nSigner: {13}example\.com\/none\nStatus: {13}Approved\nSubject:\n\s+Common Name: {4}someone/);
  const both = await kubectl.run(['certificate', 'approve', names[1]]);
  expect([both.code, both.stderr]).toEqual([1, expect.stringMatching(/is already Denied|mutually exclusive/)]);
  await kubectl.ok(['delete', 'csr', ...names]);
}
