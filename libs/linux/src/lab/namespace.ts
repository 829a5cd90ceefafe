import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Shell, createShell } from '../command.ts';
import type { Forwarder } from '../forwarder.ts';

/** A network namespace that lives as long as its program. */
export interface LabNamespace {
  readonly pid: number;
  /** Runs programs in the namespace. */
  readonly shell: Shell;
  /** How to start a program in it: the words before the program. */
  readonly enter: readonly string[];
  /** Answers every client with the name and the client's address. */
  serve(at: { name: string; protocol: 'TCP' | 'UDP'; port: number }): Promise<void>;
  /** What is answered; rejects with Error whose message is `TIMEOUT` or an errno such as `ECONNREFUSED`. */
  ask(to: { ip: string; port: number; protocol: 'TCP' | 'UDP'; timeoutMs?: number; fromPort?: number }): Promise<string>;
  /** A forwarder in the namespace. */
  forward(protocol: 'TCP' | 'UDP'): Promise<Forwarder>;
  close(): Promise<void>;
}

const agent = fileURLToPath(new URL('agent.ts', import.meta.url));

/** A JSON-lines conversation with a child. */
function converse(child: ChildProcess): { ready: Promise<void>; call(request: object): Promise<string> } {
  const waiting = new Map<number, { resolve: (answer: string) => void; reject: (error: Error) => void }>();
  let last = 0;
  const ready = new Promise<void>((resolve, reject) => {
    waiting.set(0, { resolve: () => resolve(), reject });
    child.on('error', reject);
    child.on('exit', (code) => {
      for (const { reject: fail } of waiting.values()) fail(new Error(`the program of a namespace ended with ${code}`));
      waiting.clear();
    });
  });
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, answer, error } = JSON.parse(line) as { id: number; answer?: string; error?: string };
      const pending = waiting.get(id);
      waiting.delete(id);
      if (error === undefined) pending?.resolve(answer ?? '');
      else pending?.reject(new Error(error));
    });
  }
  return {
    ready,
    call(request) {
      const id = ++last;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        child.stdin?.write(`${JSON.stringify({ id, ...request })}\n`);
      });
    },
  };
}

async function start(words: readonly string[], enterOf: (pid: number) => readonly string[]): Promise<LabNamespace> {
  const [command = '', ...args] = [...words, process.execPath, '--disable-warning=ExperimentalWarning', agent];
  const { NODE_OPTIONS: _options, NODE_EXTRA_CA_CERTS: _certificates, ...env } = process.env;
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  child.stdin?.on('error', () => undefined);
  const { ready, call } = converse(child);
  await ready;
  const pid = child.pid ?? 0;
  const enter = enterOf(pid);
  return {
    pid,
    enter,
    shell: createShell({ enter }),
    serve: ({ name, protocol, port }) => call({ op: 'serve', name, protocol, port, ip: '' }).then(() => undefined),
    ask: (to) => call({ op: 'ask', ...to }),
    async forward(protocol) {
      const port = Number(await call({ op: 'forward', protocol }));
      // Told in order, before anything that is asked later; a namespace that is gone needs no forwarders.
      const tell = (request: object): void => void call({ op: 'update', protocol, port, ...request }).catch(() => undefined);
      return { port, update: (targets) => tell({ targets }), close: () => tell({}) };
    },
    async close() {
      child.stdin?.end();
      await ended;
    },
  };
}

/** Namespaces that see each other only where a test links them, and nothing of this machine. */
export interface Lab {
  namespace(): Promise<LabNamespace>;
  close(): Promise<void>;
}

/** As root `unshare --net`; else, where the kernel allows it, in a user namespace of its own. */
const asRoot: readonly string[] = ['unshare', '--net'];
const asUser: readonly string[] = ['unshare', '--user', '--map-root-user', '--net'];

/** Why there can be no lab on this machine; undefined when there can. */
export async function whyNoLab(): Promise<string | undefined> {
  const shell = createShell();
  const reasons: string[] = [];
  for (const [command = '', ...args] of [asRoot, asUser]) {
    try {
      await shell.run(command, [...args, 'sh', '-c', 'ip link add lab0 type bridge && ip link add lab1 type veth']);
      return undefined;
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  return `no network namespaces: ${reasons.join('; ')}`;
}

async function worksAsRoot(): Promise<boolean> {
  return createShell()
    .run('unshare', ['--net', 'true'])
    .then(() => true, () => false);
}

export async function createLab(): Promise<Lab> {
  const open: LabNamespace[] = [];
  const root = await worksAsRoot();
  const enterNet = (pid: number): string[] => ['nsenter', '--target', String(pid), '--net'];
  const enterBoth = (pid: number): string[] => ['nsenter', '--target', String(pid), '--user', '--preserve-credentials', '--net'];
  const enterOf = root ? enterNet : enterBoth;
  return {
    async namespace() {
      // All share the user namespace of the first, so that links can lead from one to another.
      const first = open[0];
      const words = root ? asRoot : first ? [...enterBoth(first.pid), 'unshare', '--net'] : asUser;
      const made = await start(words, enterOf);
      open.push(made);
      // Without duplicate address detection, which takes a second for every interface.
      await made.shell.run('sh', ['-c', 'ip link set lo up; for c in all default; do echo 0 > /proc/sys/net/ipv6/conf/$c/accept_dad; done']);
      return made;
    },
    async close() {
      await Promise.all(open.splice(0).map((namespace) => namespace.close()));
    },
  };
}
