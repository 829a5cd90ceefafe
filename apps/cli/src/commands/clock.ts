import { InvalidArgumentError, type Command } from 'commander';
import { type ClockReading, formatGoDuration, parseGoDuration } from '@orrery/runtime';
import type { ClockProgress, ClockRequest } from '../control/clock-control.ts';
import { askCluster } from '../control/client.ts';
import { dataDir, runningCluster } from '../data-dir.ts';
import { ExitCode, UserError } from '../user-error.ts';

interface ClockOptions {
  readonly dataDir?: string;
  readonly output: string;
}

const dayMs = 86_400_000;

/** A duration as Go writes it, with days besides: `6h`, `90s`, `7d`, `1d12h`. */
export function parseSpan(text: string): number {
  const [, days = '', rest = ''] = /^(?:(\d+)d)?(.*)$/.exec(text) ?? [];
  try {
    const ms = Number(days || 0) * dayMs + (rest === '' && days !== '' ? 0 : parseGoDuration(rest));
    if (ms > 0) return ms;
  } catch {
    // Said below, with an example.
  }
  throw new InvalidArgumentError(`${JSON.stringify(text)} is no span of time such as 90s, 6h or 7d.`);
}

function parseFactor(text: string): number {
  const factor = Number(text.replace(/x$/, ''));
  if (text === '' || !(factor >= 0 && factor <= 100_000)) throw new InvalidArgumentError('a number from 0 (time stands still) to 100000 is needed: 60 lets a minute pass in a second.');
  return factor;
}

function socketOf(options: ClockOptions): string {
  const dir = dataDir(options.dataDir);
  const state = runningCluster(dir);
  if (!state) throw new UserError(`no cluster runs on ${dir.root}; \`orrery up --data-dir ${dir.root}\` starts one`, ExitCode.notRunning);
  if (!state.control || state.layout !== 'single') throw new UserError(`the clock of a cluster in the ${state.layout} layout is that of the machine: its components are processes of their own. \`orrery up --layout single\` starts one whose time can be moved`);
  return state.control;
}

function describe({ nowMs, aheadMs, speed }: ClockReading): string {
  const pace = speed === 0 ? 'stands still' : speed === 1 ? 'passes as always' : `passes ${speed} times as fast`;
  const ahead = Math.round(aheadMs / 1000) * 1000;
  const where = ahead === 0 ? 'as on this machine' : `${formatGoDuration(Math.abs(ahead))} ${ahead > 0 ? 'ahead of' : 'behind'} this machine`;
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z  ${where}; time ${pace}\n`;
}

function print(reading: ClockReading, output: string): void {
  process.stdout.write(output === 'json' ? `${JSON.stringify({ ...reading, now: new Date(reading.nowMs).toISOString() })}\n` : describe(reading));
}

/** On a terminal, one line that is written over. */
function showProgress(totalMs: number): (line: unknown) => void {
  return (line) => {
    const { doneMs, reading } = line as ClockProgress;
    if (!process.stderr.isTTY) return;
    if (doneMs !== undefined) process.stderr.write(`\r${formatGoDuration(Math.floor(doneMs / 1000) * 1000)} of ${formatGoDuration(totalMs)} (${Math.floor((doneMs / totalMs) * 100)} %)   `);
    else if (reading) process.stderr.write('\r\x1b[K');
  };
}

async function change(options: ClockOptions, body: ClockRequest): Promise<void> {
  const onLine = showProgress(body.action === 'advance' ? body.ms : 0);
  const { reading } = (await askCluster(socketOf(options), { path: '/clock', body, onLine })) as ClockProgress;
  if (reading) print(reading, options.output);
}

export function addClock(program: Command): void {
  const clock = program
    .command('clock')
    .description('show the cluster\'s time, stop it, move it ahead or let it run faster (single layout)')
    .option('--data-dir <dir>', 'the cluster\'s data directory')
    .option('-o, --output <format>', 'text or json', 'text')
    .addHelpText('after', '\nWithout a command the time is shown. Leases, probes, CronJobs, back-offs, evictions and all else in the cluster go by this time;\nso do the ages that kubectl prints. Only TLS goes by the time of the machine. A restart keeps how far the time is ahead.');
  const options = (): ClockOptions => clock.opts<{ dataDir?: string; output: string }>();
  clock.action(async () => print((await askCluster(socketOf(options()), { path: '/clock' })) as ClockReading, options().output));
  clock.command('pause').description('let time stand still; work that is under way goes on').action(() => change(options(), { action: 'speed', factor: 0 }));
  clock.command('resume').description('let time pass as always, from where it is').action(() => change(options(), { action: 'speed', factor: 1 }));
  clock.command('speed').description('let time pass so many times as fast').argument('<factor>', 'such as 60', parseFactor).action((factor: number) => change(options(), { action: 'speed', factor }));
  clock
    .command('advance')
    .description('move time ahead: everything that falls due on the way happens, in order; Ctrl-C ends it where it is')
    .argument('<span>', 'such as 90s, 6h or 7d', parseSpan)
    .action((ms: number) => change(options(), { action: 'advance', ms }));
}
