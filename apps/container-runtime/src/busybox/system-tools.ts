import { dnsdomainname, hostname } from './hostname.ts';
import type { Proc, ProcessInfo } from '../process/proc.ts';
import { ExecError } from '../process/process-table.ts';
import { parseSignal, signals } from '../process/signals.ts';
import { formatDate, parseDate } from './date.ts';
import { type Applet, UsageError, parseDuration, parseInteger, parseOptions } from './applet.ts';
import { humanSize, userName } from './ls.ts';
import { chroot, nsenter } from './other-roots.ts';

const date: Applet = async (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'uRIs:d:r:D:', { long: { utc: 'u', date: 'd:', 'rfc-2822': 'R', iso: 'I' } });
  let ms = proc.clock.now();
  if (values.has('r')) ms = proc.fs.stat(proc.path(values.get('r') as string)).mtimeMs;
  if (values.has('d')) {
    const parsed = parseDate(values.get('d') as string, ms);
    if (parsed === undefined) throw new UsageError(`invalid date '${values.get('d')}'`);
    ms = parsed;
  }
  if (values.has('s')) throw new UsageError("can't set date: Operation not permitted");
  const format = operands.find((operand) => operand.startsWith('+'))?.slice(1) ?? (flags.has('R') ? '%a, %d %b %Y %H:%M:%S +0000' : flags.has('I') ? '%Y-%m-%d' : '%a %b %e %H:%M:%S UTC %Y');
  await proc.out(`${formatDate(format, ms)}\n`);
  return 0;
};

async function runCommand(proc: Proc, argv: readonly string[], name: string, env?: ReadonlyMap<string, string>): Promise<number> {
  try {
    return await proc.until(proc.spawn({ argv, ...(env ? { env } : {}) }).exited);
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    await proc.err(`${name}: can't execute '${argv[0] ?? ''}': ${error.exitCode === 127 ? 'No such file or directory' : error.message}\n`);
    return error.exitCode;
  }
}

const env: Applet = async (proc, args) => {
  let environment = new Map(proc.env);
  let i = 0;
  for (; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === '-i' || arg === '-') environment = new Map();
    else if (arg === '-u') environment.delete(args[++i] ?? '');
    else if (/^[A-Za-z_]\w*=/.test(arg)) environment.set(arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1));
    else break;
  }
  if (i < args.length) return runCommand(proc, args.slice(i), 'env', environment);
  await proc.out([...environment].map(([name, value]) => `${name}=${value}\n`).join(''));
  return 0;
};

const printenv: Applet = async (proc, args) => {
  if (!args.length) return env(proc, [], 'env');
  let status = 0;
  for (const name of args) {
    const value = proc.env.get(name);
    if (value === undefined) status = 1;
    else await proc.out(`${value}\n`);
  }
  return status;
};

const id: Applet = async (proc, args) => {
  const { flags } = parseOptions(args, 'ugnGr');
  const { uid, gid, groups } = proc.cred;
  const [user, group] = [userName(proc, uid, '/etc/passwd'), userName(proc, gid, '/etc/group')];
  const show = (value: number, name: string): string => (flags.has('n') ? name : String(value));
  const all = [...new Set([gid, ...groups])];
  if (flags.has('u')) await proc.out(`${show(uid, user)}\n`);
  else if (flags.has('g')) await proc.out(`${show(gid, group)}\n`);
  else if (flags.has('G')) await proc.out(`${all.map((g) => show(g, userName(proc, g, '/etc/group'))).join(' ')}\n`);
  else {
    const named = (value: number, name: string): string => (name === String(value) ? String(value) : `${value}(${name})`);
    await proc.out(`uid=${named(uid, user)} gid=${named(gid, group)} groups=${all.map((g) => named(g, userName(proc, g, '/etc/group'))).join(',')}\n`);
  }
  return 0;
};

const uname: Applet = async (proc, args) => {
  const { flags } = parseOptions(args, 'amnrspvio');
  const fields: readonly (readonly [string, string])[] = [['s', 'Linux'], ['n', proc.host.hostname], ['r', '6.12.0-orrery'], ['v', '#1 SMP'], ['m', 'x86_64'], ['o', 'GNU/Linux']];
  const chosen = fields.filter(([flag]) => flags.has('a') || flags.has(flag) || (!flags.size && flag === 's') || (flags.has('p') && flag === 'm'));
  await proc.out(`${chosen.map(([, value]) => value).join(' ')}\n`);
  return 0;
};

const commandLine = ({ argv }: ProcessInfo): string => argv.join(' ');
const commandName = ({ argv }: ProcessInfo): string => (argv[0] ?? '').split('/').at(-1)?.replace(/^-/, '') ?? '';

function elapsed(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`;
}

const ps: Applet = async (proc, args) => {
  const processes = proc.processes();
  const columns = args.includes('-o') ? (args[args.indexOf('-o') + 1] ?? '').split(',') : undefined;
  const cell: Readonly<Record<string, (p: ProcessInfo) => string>> = {
    pid: (p) => String(p.pid), ppid: (p) => String(p.ppid), user: (p) => userName(proc, p.uid, '/etc/passwd'), comm: commandName, args: commandLine, time: () => '0:00', etime: (p) => elapsed(proc.clock.now() - p.startedAtMs), stat: () => 'S',
  };
  if (columns) {
    for (const column of columns) if (!cell[column]) throw new UsageError(`bad -o argument '${column}'`);
    await proc.out([columns.map((c) => c.toUpperCase().padEnd(8)).join(' ').trimEnd(), ...processes.map((p) => columns.map((c) => (cell[c]?.(p) ?? '').padEnd(8)).join(' ').trimEnd())].map((row) => `${row}\n`).join(''));
    return 0;
  }
  const rows = processes.map((p) => `${String(p.pid).padStart(5)} ${userName(proc, p.uid, '/etc/passwd').padEnd(8)}  0:00 ${commandLine(p)}\n`);
  await proc.out(`  PID USER     TIME  COMMAND\n${rows.join('')}`);
  return 0;
};

function signalArguments(args: readonly string[]): { signal: number; rest: readonly string[] } {
  const text = args[0] === '-s' ? (args[1] ?? '') : /^-[A-Za-z0-9]/.test(args[0] ?? '') && !/^-[fxnloa]$/.test(args[0] ?? '') ? args[0]?.slice(1) : undefined;
  if (text === undefined) return { signal: signals.TERM, rest: args };
  const signal = parseSignal(text);
  if (signal === undefined) throw new UsageError(`bad signal name '${text}'`);
  return { signal, rest: args.slice(args[0] === '-s' ? 2 : 1) };
}

const kill: Applet = async (proc, args) => {
  if (args[0] === '-l') {
    await proc.out(Object.entries(signals).map(([name, number]) => `${String(number).padStart(2)}) ${name}\n`).join(''));
    return 0;
  }
  const { signal, rest } = signalArguments(args);
  let status = 0;
  for (const pid of rest) {
    if (proc.kill(parseInteger(pid), signal)) continue;
    await proc.err(`kill: can't kill pid ${pid}: No such process\n`);
    status = 1;
  }
  return status;
};

function matching(proc: Proc, pattern: string, full: boolean): ProcessInfo[] {
  const regex = new RegExp(pattern);
  return proc.processes().filter((p) => p.pid !== proc.pid && regex.test(full ? commandLine(p) : commandName(p)));
}

const pidof: Applet = async (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'so:');
  const omitted = new Set((values.get('o') ?? '').split(',').map((pid) => (pid === '%PPID' ? String(proc.ppid) : pid)));
  const pids = proc.processes().filter((p) => operands.some((name) => commandName(p) === name || p.argv[0] === name)).map(({ pid }) => String(pid)).filter((pid) => !omitted.has(pid)).reverse();
  const told = flags.has('s') ? pids.slice(0, 1) : pids;
  if (told.length) await proc.out(`${told.join(' ')}\n`);
  return told.length ? 0 : 1;
};

const pkill: Applet = async (proc, args, name) => {
  const { signal, rest } = signalArguments(args);
  const full = rest.includes('-f');
  const list = rest.includes('-l') || rest.includes('-a');
  const pattern = rest.find((arg) => !arg.startsWith('-'));
  if (pattern === undefined) throw new UsageError('no pattern');
  const found = name === 'killall' ? proc.processes().filter((p) => commandName(p) === pattern) : matching(proc, pattern, full);
  for (const p of found) {
    if (name === 'pgrep') await proc.out(list ? `${p.pid} ${commandLine(p)}\n` : `${p.pid}\n`);
    else proc.kill(p.pid, signal);
  }
  if (!found.length && name === 'killall') await proc.err(`killall: ${pattern}: no process killed\n`);
  return found.length ? 0 : 1;
};

const free: Applet = async (proc, args) => {
  const { flags } = parseOptions(args, 'bkmgh');
  const { limitBytes, usedBytes } = proc.host.memory();
  const unit = flags.has('b') ? 1 : flags.has('m') ? 1024 ** 2 : flags.has('g') ? 1024 ** 3 : 1024;
  const cell = (bytes: number): string => (flags.has('h') ? humanSize(bytes) : String(Math.floor(bytes / unit))).padStart(12);
  const left = limitBytes - usedBytes;
  await proc.out(`              total        used        free      shared  buff/cache   available\nMem:   ${cell(limitBytes)}${cell(usedBytes)}${cell(left)}${cell(0)}${cell(0)}${cell(left)}\nSwap:  ${cell(0)}${cell(0)}${cell(0)}\n`);
  return 0;
};

function topScreen(proc: Proc): string {
  const { limitBytes, usedBytes } = proc.host.memory();
  const rows = proc.processes().map((p) => `${String(p.pid).padStart(5)} ${String(p.ppid).padStart(5)} ${userName(proc, p.uid, '/etc/passwd').padEnd(8)} S     1024   0.0   0  0.0 ${commandLine(p)}\n`);
  return `Mem: ${Math.floor(usedBytes / 1024)}K used, ${Math.floor((limitBytes - usedBytes) / 1024)}K free, 0K shrd, 0K buff, 0K cached\nCPU:   0% usr   0% sys   0% nic 100% idle   0% io   0% irq   0% sirq\nLoad average: 0.00 0.01 0.05 1/${rows.length} ${proc.pid}\n  PID  PPID USER     STAT   VSZ  %VSZ CPU %CPU COMMAND\n${rows.join('')}`;
}

const top: Applet = async (proc, args) => {
  const { values } = parseOptions(args, 'bHmn:d:');
  const count = values.has('n') ? parseInteger(values.get('n') as string) : Number.POSITIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    if (i > 0) await proc.sleep(parseDuration(values.get('d') ?? '5') * 1000);
    await proc.out((proc.fds.get(1)?.isTty ? '\x1b[H\x1b[J' : '') + topScreen(proc));
  }
  return 0;
};

const uptime: Applet = async (proc) => {
  const up = proc.clock.now() - proc.host.bootTimeMs;
  await proc.out(` ${formatDate('%H:%M:%S', proc.clock.now())} up ${elapsed(up).padStart(5)},  0 users,  load average: 0.00, 0.01, 0.05\n`);
  return 0;
};

const timeout: Applet = async (proc, args) => {
  const { values, operands } = parseOptions(args, 's:k:t:', { posix: true });
  const [limit = '', ...argv] = values.has('t') ? [values.get('t') ?? '', ...operands] : operands;
  if (!argv.length) throw new UsageError('missing command');
  const signal = parseSignal(values.get('s') ?? 'TERM') ?? signals.TERM;
  const seconds = parseDuration(limit);
  let child: ReturnType<Proc['spawn']>;
  try {
    child = proc.spawn({ argv });
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    await proc.err(`timeout: can't execute '${argv[0]}': No such file or directory\n`);
    return error.exitCode;
  }
  let expired = false;
  const timer = seconds > 0 ? proc.clock.after(seconds * 1000, () => ((expired = true), child.kill(signal))) : undefined;
  const killer = values.has('k') ? proc.clock.after((seconds + parseDuration(values.get('k') as string)) * 1000, () => child.kill(signals.KILL)) : undefined;
  const stop = proc.onExit(() => child.kill(signals.TERM));
  try {
    const code = await proc.until(child.exited);
    return expired && code === 128 + signal ? 143 : code;
  } finally {
    stop();
    timer?.cancel();
    killer?.cancel();
  }
};

const watch: Applet = async (proc, args) => {
  const { values, flags, operands } = parseOptions(args, 'n:td', { posix: true });
  const every = parseDuration(values.get('n') ?? '2');
  for (;;) {
    if (!flags.has('t')) await proc.out(`\x1b[H\x1b[JEvery ${every.toFixed(1)}s: ${operands.join(' ').padEnd(40)} ${formatDate('%Y-%m-%d %H:%M:%S', proc.clock.now())}\n\n`);
    await runCommand(proc, ['sh', '-c', operands.join(' ')], 'watch');
    await proc.sleep(every * 1000);
  }
};

const time: Applet = async (proc, args) => {
  const start = proc.clock.monotonic();
  const status = await runCommand(proc, args.filter((arg) => arg !== '-p'), 'time');
  const seconds = (proc.clock.monotonic() - start) / 1000;
  await proc.err(`real\t${Math.floor(seconds / 60)}m ${(seconds % 60).toFixed(2)}s\nuser\t0m 0.00s\nsys\t0m 0.00s\n`);
  return status;
};

export const systemTools: Readonly<Record<string, Applet>> = {
  date, env, printenv, id, uname, ps, kill, free, top, uptime, timeout, watch, time,
  hostname, dnsdomainname, chroot, nsenter,
  pidof, pkill, pgrep: pkill, killall: pkill,
  whoami: async (proc) => {
    await proc.out(`${userName(proc, proc.cred.uid, '/etc/passwd')}\n`);
    return 0;
  },
  nproc: async (proc) => {
    await proc.out(`${proc.host.cpus}\n`);
    return 0;
  },
  arch: async (proc) => {
    await proc.out('x86_64\n');
    return 0;
  },
  tty: async (proc) => {
    const isTty = proc.fds.get(0)?.isTty ?? false;
    await proc.out(isTty ? '/dev/pts/0\n' : 'not a tty\n');
    return isTty ? 0 : 1;
  },
  clear: async (proc) => {
    await proc.out('\x1b[H\x1b[J');
    return 0;
  },
  usleep: async (proc, args) => {
    await proc.sleep(parseInteger(args[0] ?? '0') / 1000);
    return 0;
  },
  nohup: (proc, args) => {
    proc.onSignal(signals.HUP, 'ignore');
    return runCommand(proc, args, 'nohup');
  },
  nice: (proc, args) => runCommand(proc, args[0] === '-n' ? args.slice(2) : args.filter((arg) => !/^-\d+$/.test(arg)), 'nice'),
  setsid: (proc, args) => runCommand(proc, args, 'setsid'),
};
