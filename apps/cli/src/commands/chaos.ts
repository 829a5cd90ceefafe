import { writeFileSync } from 'node:fs';
import { type Experiment, Experiments, type ExperimentSpec } from '@orrery/chaos-controller/component';
import { type ChaosReport, describeVerb, faultText, reportHtml, reportJson, reportText, verbNames } from '@orrery/chaos';
import { hasReason } from '@orrery/errors';
import { type Command, InvalidArgumentError } from 'commander';
import { type ChaosAccess, type Outcome, chaosAccess } from '../chaos/chaos-access.ts';
import { type InjectFlags, faultFromFlags } from '../chaos/fault-from-flags.ts';
import { ExitCode, UserError } from '../user-error.ts';
import { parseSpan } from './clock.ts';

interface ChaosOptions {
  readonly dataDir?: string;
  readonly kubeconfig?: string;
}

/** So long the controller may take to act. */
const patienceMs = 60_000;
const lookEveryMs = 100;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function span(text: string): string {
  parseSpan(text);
  return text;
}

function nameFor(verb: string): string {
  return `${verb}-${Date.now().toString(36).slice(-5)}`;
}

async function outcomeOf(access: ChaosAccess, name: string, isScheduled: boolean): Promise<Outcome> {
  const end = performance.now() + patienceMs;
  for (;;) {
    // Who asks may be struck by what it has injected.
    let failure = '';
    const outcome = await access.outcome(name).catch((error: Error) => void (failure = error.message));
    if (outcome && (!outcome.scheduled || isScheduled)) return outcome;
    if (performance.now() > end) throw new UserError(`${failure ? `what became of ${name} cannot be told: ${failure}` : `nothing happened within ${patienceMs / 1000} s`}; ${access.hint}`);
    await pause(lookEveryMs);
  }
}

/** Resolves once none of these is in force, so far as the cluster tells. */
async function untilOver(access: ChaosAccess, names: readonly string[]): Promise<void> {
  for (const name of names) while (await access.isInForce(name).catch((error: unknown) => !hasReason(error, 'NotFound'))) await pause(lookEveryMs);
}

async function inject(options: ChaosOptions, words: readonly string[], flags: InjectFlags): Promise<void> {
  const [verb = '', ...targets] = words;
  const { selector, ...fault } = faultFromFlags(verb, targets, flags);
  const access = chaosAccess(options);
  const { api } = access;
  await access.enable();
  const name = flags.name ?? nameFor(verb);
  const spec: ExperimentSpec = { fault, selector, ...(flags.schedule ? { schedule: flags.schedule } : {}), ...(flags.for ? { duration: flags.for } : {}) };
  try {
    await api.create(Experiments, { apiVersion: 'chaos.orrery.dev/v1', kind: 'Experiment', metadata: { name }, spec });
  } catch (error) {
    throw new UserError((error as Error).message);
  }
  const { targets: struck, error } = await outcomeOf(access, name, flags.schedule !== undefined);
  if (error) {
    await api.delete(Experiments, { name }).catch(() => undefined);
    throw new UserError(error);
  }
  const what = faultText({ ...fault, selector });
  process.stdout.write(struck ? `${name}: ${what}; struck ${struck.join(', ')}\n` : `${name}: ${what}, by schedule ${flags.schedule ?? ''}\n`);
  const where = options.kubeconfig === undefined ? '' : ` --kubeconfig ${options.kubeconfig}`;
  if (!flags.for && !describeVerb(fault.verb).momentary) process.stdout.write(`It lasts until \`orrery chaos stop ${name}${where}\`.\n`);
  process.exit(ExitCode.ok);
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('   ').trimEnd()).join('\n') + '\n';
}

async function list(options: ChaosOptions): Promise<void> {
  const { api } = chaosAccess(options);
  const { items } = await api.list(Experiments).catch((error: unknown) => {
    if (hasReason(error, 'NotFound')) return { items: [] as Experiment[] };
    throw new UserError((error as Error).message);
  });
  if (items.length === 0) process.stdout.write('No experiments.\n');
  else process.stdout.write(table([['NAME', 'PHASE', 'FAULT', 'DURATION', 'SCHEDULE'], ...items.map(({ metadata, spec, status }) => [metadata?.name ?? '', status?.phase ?? 'Pending', faultText({ ...spec.fault, selector: spec.selector ?? {} }), spec.duration ?? '', spec.schedule ?? ''])]));
  process.exit(ExitCode.ok);
}

async function stop(options: ChaosOptions, names: readonly string[], all: boolean): Promise<void> {
  if (!all && names.length === 0) throw new UserError('name the experiments, or --all', ExitCode.usage);
  const cluster = chaosAccess(options);
  const ended = await cluster.end(all ? undefined : names);
  const setSwitch = async (): Promise<string[]> => {
    const wanted = all ? (await cluster.api.list(Experiments)).items.map(({ metadata }) => metadata?.name ?? '') : names;
    for (const name of wanted) await cluster.api.patch(Experiments, { name }, { spec: { stop: true } }, { type: 'application/merge-patch+json' });
    return [...wanted];
  };
  const late = pause(cluster.stopPatienceMs).then((): never => {
    throw new Error('the API server does not answer');
  });
  try {
    const stopped = await Promise.race([setSwitch(), late]);
    const tooLate = pause(patienceMs).then((): never => {
      throw new UserError(`${stopped.join(', ')}: told to stop, and not over after ${patienceMs / 1000} s; ${cluster.hint}`);
    });
    await Promise.race([untilOver(cluster, stopped), tooLate]);
    process.stdout.write(stopped.length ? stopped.map((name) => `${name} stopped\n`).join('') : 'No experiments.\n');
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (hasReason(error, 'NotFound')) throw new UserError((error as Error).message);
    throw new UserError(`${ended.length ? `ended: ${ended.join(', ')}; but ` : ''}the experiments themselves could not be stopped: ${(error as Error).message}`);
  }
  process.exit(ExitCode.ok);
}

async function report(options: ChaosOptions, { output, file }: { output: string; file?: string }): Promise<void> {
  const writers: Readonly<Record<string, (made: ChaosReport) => string>> = { text: reportText, json: reportJson, html: reportHtml };
  const write = writers[output];
  if (!write) throw new UserError(`-o takes ${Object.keys(writers).join(', ')}, not ${JSON.stringify(output)}`, ExitCode.usage);
  const text = write(await chaosAccess(options).report());
  if (file) writeFileSync(file, text);
  else process.stdout.write(text);
}

function verbTable(): string {
  return table([['FAULT', 'AIMED AT', 'LAYOUTS', 'DOES'], ...verbNames.map((name) => {
    const { aim, worlds, help } = describeVerb(name);
    return [name, aim, worlds.join(', '), help];
  })]);
}

function count(text: string): string {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('a whole number above 0 is needed.');
  return text;
}

const examples = `
Examples:
  orrery chaos inject pause scheduler --for 1m
  orrery chaos inject node-outage node-2 --for 2m
  orrery chaos inject api-error --code 500 --when after --verbs create --resources pods --percent 20 --for 5m
  orrery chaos inject kill kubelet --count 1 --schedule '*/5 * * * *'
  orrery chaos report -o html --file chaos.html
  orrery chaos --kubeconfig infra/out/kubeconfig inject partition node1 node2 --one-way --for 1m`;

export function addChaos(program: Command): void {
  const chaos = program
    .command('chaos')
    .description('break a running cluster on purpose, and see how it recovers')
    .option('--data-dir <dir>', 'the cluster\'s data directory')
    .option('--kubeconfig <file>', 'of any other cluster with a chaos controller, such as that of infra/compose.yaml with the profile chaos')
    .addHelpText('after', `${examples}\n\nEvery injection is an Experiment (kubectl get experiments): what it strikes, for how long, how often. See \`orrery chaos verbs\`.`);
  const options = (): ChaosOptions => chaos.opts<ChaosOptions>();
  chaos
    .command('inject')
    .description('inject a fault')
    .argument('<verb>', 'what to do; `orrery chaos verbs` lists it')
    .argument('[targets...]', 'components, nodes or zones; of partitions, delays and losses the two ends')
    .option('--for <span>', 'how long, such as 90s or 5m; without it until `orrery chaos stop`', span)
    .option('--name <name>', 'of the experiment')
    .option('--schedule <cron>', 'again and again: five fields of cron, or \'@every 10m\'')
    .option('--code <status>', 'of api-error: the HTTP status')
    .option('--when <before|after>', 'of requests that fail: before or after they took effect')
    .option('--delay <span>', 'of delays, slow disks, timeouts')
    .option('--jitter <span>', 'further delay, from none to this')
    .option('--percent <share>', 'share of what is struck, 100 by default')
    .option('--bandwidth <bytes>', 'of bandwidth: bytes a second')
    .option('--by <span>', 'of clocks: by how much')
    .option('--one-way', 'of partitions: only what goes from the first to the second is cut')
    .option('--count <n>', 'of what matches, so many drawn at random', count)
    .option('--node-labels <key=value,…>', 'nodes by their labels')
    .option('--verbs <list>', 'of requests: create, update, patch, delete, deletecollection, get, list, watch; read, write')
    .option('--resources <list>', 'of requests: pods, deployments.apps, pods/status')
    .option('--namespaces <list>', 'of requests')
    .option('--users <list>', 'of requests: user names, or components such as scheduler')
    .addHelpText('after', examples)
    .action((verb: string, targets: string[], flags: InjectFlags) => inject(options(), [verb, ...targets], flags));
  chaos.command('list').description('show the experiments').action(() => list(options()));
  chaos
    .command('stop')
    .description('end experiments now, and keep their schedules from coming true')
    .argument('[names...]', 'experiments')
    .option('--all', 'all of them')
    .action((names: string[], { all = false }: { all?: boolean }) => stop(options(), names, all));
  chaos
    .command('report')
    .description('what was broken when, and what was well again after how long, since the cluster was started')
    .option('-o, --output <format>', 'text, json or html', 'text')
    .option('--file <file>', 'write it there')
    .action((flags: { output: string; file?: string }) => report(options(), flags));
  chaos.command('verbs').description('the faults there are, and which layout can do them').action(() => void process.stdout.write(verbTable()));
  for (const command of chaos.commands) command.exitOverride().showHelpAfterError('(see --help)');
}
