import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePki } from '@orrery/node-io';
import { VirtualClock } from '@orrery/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clusterClock } from './control/clock-control.ts';
import { type DataDir, clearState, dataDir, isAlive, lockDataDir, prepareDataDir, processStart, runningCluster, writeState } from './data-dir.ts';
import { checkDataFormat } from './data-format.ts';
import { startDetached } from './detached.ts';
import type { UpOptions } from './commands/up.ts';
import { writeKubeconfig } from './kubeconfig-file.ts';
import { storeMembers } from './processes/store-members.ts';
import { type Supervisor, createSupervisor } from './processes/supervisor.ts';
import { AddedNodes } from './single/added-nodes.ts';
import { ExitCode } from './user-error.ts';

let dir: DataDir;
beforeEach(() => {
  dir = dataDir(mkdtempSync(join(tmpdir(), 'orrery-cli-chaos-')));
  prepareDataDir(dir);
});
afterEach(() => rmSync(dir.root, { recursive: true, force: true }));

/** A process as the supervisor sees it; `hangs`: it takes no notice of SIGTERM. */
function fakeChild(pid: number | undefined, hangs: boolean) {
  const signals: string[] = [];
  const child = Object.assign(new EventEmitter(), {
    pid,
    signals,
    exitCode: null as number | null,
    signalCode: null as NodeJS.Signals | null,
    end(code: number | null, signal: NodeJS.Signals | null = null): void {
      child.exitCode = code;
      child.signalCode = signal;
      child.emit('exit', code, signal);
    },
    kill(signal: NodeJS.Signals): boolean {
      signals.push(signal);
      const isKilled = signal === 'SIGKILL';
      if (isKilled || !hangs) queueMicrotask(() => child.end(isKilled ? null : 0, isKilled ? signal : null));
      return true;
    },
  });
  return child;
}

type FakeChild = ReturnType<typeof fakeChild>;

describe('the supervisor of processes', () => {
  const never = new AbortController().signal;
  let clock: VirtualClock;
  let notes: string[];
  let children: FakeChild[];
  let launches: (() => FakeChild)[];
  let supervisor: Supervisor;
  const child = (options: { hangs?: boolean; pid?: number | undefined } = {}): FakeChild => fakeChild('pid' in options ? options.pid : 100 + children.length, options.hangs ?? false);
  const spec = (name: string) => ({ name, app: name, args: [] });
  const latest = (): FakeChild => children.at(-1) as FakeChild;
  /** A process that said it is ready. */
  const begin = async (name: string): Promise<FakeChild> => {
    const started = supervisor.start(spec(name), never);
    latest().emit('message', { type: 'ready' });
    await started;
    return latest();
  };

  beforeEach(() => {
    clock = new VirtualClock();
    notes = [];
    children = [];
    launches = [];
    supervisor = createSupervisor({
      logsDir: dir.logs,
      clock,
      onChange: () => undefined,
      note: (text) => void notes.push(text),
      launch: ({ name }) => {
        writeFileSync(join(dir.logs, `${name}.log`), `${name}: no such key\n`, { flag: 'a' });
        children.push((launches.shift() ?? child)());
        return latest() as unknown as ChildProcess;
      },
    });
  });

  it('tells why a process did not start, and does not try again', async () => {
    const started = supervisor.start(spec('store'), never);
    latest().end(2);
    await expect(started).rejects.toThrow(/store did not start \(exit code 2\); the end of .*store\.log:\nstore: no such key/);
    await clock.advance(60_000);
    expect(children).toHaveLength(1);
  });

  it('starts what dies again, later and later, and at once after it has lived for a while', async () => {
    await begin('scheduler');
    const lives: number[] = [];
    for (let i = 0; i < 8; i++) {
      const before = clock.monotonic();
      const count = children.length;
      latest().end(null, 'SIGKILL');
      while (children.length === count) await clock.advance(100);
      lives.push(clock.monotonic() - before);
    }
    expect(lives).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    await clock.advance(10_001);
    latest().end(1);
    await clock.advance(100);
    expect(children).toHaveLength(10);
    expect(notes.at(-1)).toBe('scheduler ended (exit code 1), starting it again in 100 ms');
  });

  it('goes on trying while a process cannot even be made: no memory, its program or the directory of logs away', async () => {
    const first = await begin('scheduler');
    launches.push(
      () => {
        const stillborn = child({ pid: undefined });
        queueMicrotask(() => stillborn.emit('error', new Error('spawn EAGAIN')));
        return stillborn;
      },
      () => {
        throw new Error('scheduler is not built');
      },
    );
    first.end(1);
    await clock.advance(1_000);
    expect(children).toHaveLength(3);
    expect(supervisor.pids()).toEqual({ scheduler: latest().pid });
    expect(notes.filter((note) => note.includes('starting it again'))).toEqual([
      'scheduler ended (exit code 1), starting it again in 100 ms',
      'scheduler ended (spawn EAGAIN), starting it again in 200 ms',
      'scheduler ended (scheduler is not built), starting it again in 400 ms',
    ]);
  });

  it('kills what hangs at shutdown, all of it within 15 s', async () => {
    launches.push(...Array.from({ length: 4 }, () => () => child({ hangs: true })));
    for (const name of ['a', 'b', 'c', 'd']) await begin(name);
    const began = clock.monotonic();
    let done = false;
    void supervisor.stopAll().then(() => (done = true));
    while (!done) await clock.advance(500);
    expect(clock.monotonic() - began).toBeLessThanOrEqual(16_000);
    expect(children.map(({ signals }) => signals)).toEqual(Array(4).fill(['SIGTERM', 'SIGKILL']));
    expect(notes).toContain('a does not end, and is killed');
  });

  it('starts nothing again once it is stopped, nor anything new', async () => {
    (await begin('a')).end(1);
    await supervisor.stopAll();
    await clock.advance(60_000);
    expect(children).toHaveLength(1);
    await expect(supervisor.start(spec('b'), AbortSignal.abort(new Error('stopped by SIGINT')))).rejects.toThrow('stopped by SIGINT');
    expect(children).toHaveLength(1);
  });

  it('a newer build that dies at once is told, and tried again until it is mended', async () => {
    await begin('a');
    const upgraded = supervisor.restart('a', never);
    while (children.length < 2) await clock.advance(1);
    latest().end(1);
    await expect(upgraded).rejects.toThrow('a did not start (exit code 1)');
    await clock.advance(1_000);
    expect(children).toHaveLength(3);
  });
});

describe('the death of the supervisor', () => {
  /** Ends by itself when whoever started it is gone, as all components do. */
  const component = `import { stopSignal, whenAborted } from ${JSON.stringify(new URL('../../../libs/node-io/src/stop-signal.ts', import.meta.url).href)};
    const held = setInterval(() => {}, 1000); const signal = stopSignal(); process.send({ type: 'ready' }); await whenAborted(signal); clearInterval(held); process.exit(0);`;

  it('takes with it what it has started: components, others\' programs, and what stood still', { timeout: 30_000 }, async () => {
    writeFileSync(join(dir.root, 'component.mjs'), component);
    const main = `import { spawn } from 'node:child_process';
      import { pauseProcesses } from ${JSON.stringify(new URL('./chaos/paused-processes.ts', import.meta.url).href)};
      import { createSupervisor } from ${JSON.stringify(new URL('./processes/supervisor.ts', import.meta.url).href)};
      const supervisor = createSupervisor({ logsDir: ${JSON.stringify(dir.logs)}, onChange() {}, note() {} });
      const own = createSupervisor({ logsDir: ${JSON.stringify(dir.logs)}, onChange() {}, note() {}, launch: (spec, log) => spawn(process.execPath, [${JSON.stringify(join(dir.root, 'component.mjs'))}], { stdio: ['ignore', log, log, 'ipc'] }) });
      const { signal } = new AbortController();
      await supervisor.start({ name: 'other', app: 'sleep', external: true, args: ['600'] }, signal);
      await Promise.all(['running', 'paused'].map((name) => own.start({ name, app: name, args: [] }, signal)));
      pauseProcesses([own.pids().paused]);
      console.log(JSON.stringify({ ...supervisor.pids(), ...own.pids() }));`;
    writeFileSync(join(dir.root, 'main.mjs'), main);
    const up = spawn(process.execPath, [join(dir.root, 'main.mjs')], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    const [line] = (await once(up.stdout, 'data')) as [Buffer];
    const pids = Object.values(JSON.parse(line.toString()) as Record<string, number>);
    try {
      expect(pids.map(isAlive)).toEqual([true, true, true]);
      up.kill('SIGKILL');
      await expect.poll(() => pids.map(isAlive), { timeout: 15_000 }).toEqual([false, false, false]);
    } finally {
      for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    }
  });
});

describe('a data directory', () => {
  const state = { pid: process.pid, processStart: processStart(process.pid), layout: 'single', startedAt: '', nodes: 1, server: 'https://127.0.0.1:1', ready: true, endpoints: {} } as const;

  it('is one cluster\'s, from before it can be asked for', async () => {
    const lock = await lockDataDir(dir);
    await expect(lockDataDir(dir)).rejects.toMatchObject({ exitCode: ExitCode.alreadyRunning, message: expect.stringContaining(`another \`orrery up\` is starting or ending a cluster on ${dir.root} (pid ${process.pid})`) });
    await lock.release();
    await (await lockDataDir(dir)).release();
  });

  it('is free after kill -9, though its lock and its state are there', async () => {
    const gone = spawn(process.execPath, ['-e', '']);
    await once(gone, 'exit');
    writeFileSync(join(dir.root, 'up.lock'), `${gone.pid} 1 x\n`);
    writeState(dir, { ...state, pid: gone.pid ?? 0 });
    expect(runningCluster(dir)).toBeUndefined();
    await (await lockDataDir(dir)).release();
  });

  it('whose pid is now another\'s is free, too', () => {
    writeState(dir, { ...state, processStart: '1' });
    expect(runningCluster(dir)).toBeUndefined();
    writeState(dir, state);
    expect(runningCluster(dir)?.pid).toBe(process.pid);
    clearState(dir, process.pid + 1);
    expect(runningCluster(dir)?.pid).toBe(process.pid);
  });

  it.each(['', '{"pid":', 'null', '[]'])('with the state %j tells of no cluster', (text) => {
    writeFileSync(join(dir.root, 'cluster.json'), text);
    expect(runningCluster(dir)).toBeUndefined();
    clearState(dir, 1);
    writeState(dir, state);
    expect(runningCluster(dir)?.pid).toBe(process.pid);
  });

  it.each<[string, () => unknown, string]>([
    ['stores.json', () => storeMembers(dir, undefined), 'is damaged: put it back: {"peerPorts":[…]}'],
    ['clock.json', () => clusterClock(dir.root), 'remove it to go back to the time of this machine'],
    ['nodes.json', () => new AddedNodes(dir.root), 'remove it to go on without them'],
    ['format.json', () => checkDataFormat(dir.root), 'does not say which format the data has'],
    ['kubeconfig', () => writeKubeconfig(dir.kubeconfig, 'clusters: []'), 'is not a kubeconfig; name another file with --kubeconfig, or remove this one'],
  ])('whose %s is half-written says what to do', async (name, read, words) => {
    writeFileSync(join(dir.root, name), '{"peerPorts":[1');
    await expect((async () => read())()).rejects.toThrow(words);
  });

  it('never has half a file where a whole one was, and keeps no leftovers', () => {
    writeState(dir, state);
    // A directory in its place: the last step of writing fails.
    rmSync(join(dir.root, 'cluster.json'));
    expect(() => writeKubeconfig(dir.logs, 'clusters: []')).toThrow();
    expect(readdirSync(dir.root).filter((name) => name.includes(String(process.pid)))).toEqual([]);
  });

  it('whose certificates are damaged: a leaf is made anew, an authority or the key of tokens is asked for', () => {
    const pki = ensurePki(dir.pki);
    const damage = (name: string, text: string) => writeFileSync(join(dir.pki, name), text);
    const good = { ca: readFileSync(join(dir.pki, 'ca.crt'), 'utf8'), tokens: pki.saKey };
    for (const text of ['', 'garbage', pki.serverCert.slice(0, 200)]) {
      damage('apiserver.crt', text);
      expect(ensurePki(dir.pki).serverCert).toContain('BEGIN CERTIFICATE');
      damage('ca.crt', text);
      expect(() => ensurePki(dir.pki)).toThrow(/ca\.crt or ca\.key of the cluster's PKI: damaged .* every certificate and kubeconfig of this authority is void/);
      damage('ca.crt', good.ca);
      damage('service-account.key', text);
      expect(() => ensurePki(dir.pki)).toThrow(/service-account\.key of the cluster's PKI: damaged/);
      damage('service-account.key', good.tokens);
    }
    expect(ensurePki(dir.pki).caCert).toBe(pki.caCert);
  });
});

describe('a start in the background', () => {
  const options = (more: Partial<UpOptions> = {}): UpOptions => ({ apiPort: 0, apiHost: '127.0.0.1', nodes: 1, apiservers: 1, replicas: 1, layout: 'single', without: [], extraConfig: {}, nodeCpu: '1', nodeMemory: '1Gi', nodePods: 1, timeout: 20, ...more });
  const program = (text: string): string => {
    const path = join(dir.root, 'up.mjs');
    writeFileSync(path, text);
    return path;
  };

  it.each([
    ['process.stderr.write("orrery: port 6443 of 127.0.0.1 is taken\\n"); process.exit(1)', /did not start \(exit code 1\); the end of .*orrery\.log:\norrery: port 6443 of 127\.0\.0\.1 is taken/, ExitCode.failed],
    ['process.stderr.write("orrery: another is at it\\n"); process.exit(4)', /exit code 4.*\norrery: another is at it/, ExitCode.alreadyRunning],
    ['process.kill(process.pid, "SIGKILL")', /did not start \(killed by SIGKILL\)/, ExitCode.failed],
  ])('that fails tells why', async (text, words, exitCode) => {
    await expect(startDetached(dir, options(), program(text))).rejects.toMatchObject({ message: expect.stringMatching(words), exitCode });
  });

  it('that takes too long is told of, and goes on', async () => {
    const path = program('console.log("  0.10 s  store: etcd v3"); setInterval(() => {}, 1000)');
    const failure = await startDetached(dir, options({ timeout: 0.5, wait: true }), path).then(
      () => '',
      (error: Error) => error.message,
    );
    expect(failure).toMatch(/was not ready within 0\.5 s; it goes on in the background \(pid \d+\)\. The end of .*\n {2}0\.10 s {2}store: etcd v3/);
    const pid = Number(/pid (\d+)/.exec(failure)?.[1]);
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
    expect(existsSync(join(dir.root, 'cluster.json'))).toBe(false);
  });
});
