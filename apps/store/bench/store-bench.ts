/** What the store does in a second, beside etcd on the same machine: `npm run bench -- store --help`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LoadProcess } from './load-process.ts';
import { type Line, type Measure, lines } from './lines.ts';
import { type Figure, figureOf, table } from './figures.ts';
import { type Target, foreign, onPath, startEtcd, startOwn } from './servers.ts';

const help = `npm run bench -- store [options]

  --etcd HOST:PORT  measure beside this etcd; without it one is started when it is installed (Debian: etcd-server)
  --only NAME,...   lines whose name begins so, of: ${[...new Set(lines.map(({ name }) => name.split(' ')[0]))].join(', ')}
  --members N,...   1 and 3 (1,3): clusters of so many on this machine
  --rounds N        of every line, ours and etcd's in turn; medians count (5)
  --seconds N       of each measurement (2)
  --keys N          for restart and memory (1000000)
  --dir DIR         where the data goes (${tmpdir()}): all on one disk, or the comparison means nothing
  --source          run ours from source instead of the bundle
  --node-flags F    of our server, for a profile, say (none)
  --json FILE       writes the figures there

Both servers sync every write before they answer. The load comes from a process of its own that costs little, the same for both; it goes
to the leader. Values are 256 bytes. The ratio is ours to etcd's for what is better when greater, the inverse for what is not; below 1.00
it is marked UNDER.
`;

const { values: flags } = parseArgs({
  options: {
    help: { type: 'boolean' },
    etcd: { type: 'string' },
    only: { type: 'string', default: '' },
    members: { type: 'string', default: '1,3' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    keys: { type: 'string', default: '1000000' },
    dir: { type: 'string', default: tmpdir() },
    source: { type: 'boolean', default: false },
    'node-flags': { type: 'string', default: '' },
    json: { type: 'string' },
  },
});

const rounds = Number(flags.rounds);
const say = (text: string): void => void process.stderr.write(text);

function wanted(members: number): Line[] {
  const names = flags.only.split(',').filter(Boolean);
  return lines.filter((line) => line.members.includes(members) && (names.length === 0 || names.some((name) => line.name.startsWith(name))));
}

async function startAll(dir: string, members: number): Promise<Target[]> {
  const own = await startOwn(dir, members, { fromSource: flags.source, nodeFlags: flags['node-flags'].split(' ').filter(Boolean) });
  if (flags.etcd !== undefined) return members === 1 ? [own, foreign(flags.etcd)] : [own];
  const program = onPath('etcd');
  if (!program) say('etcd is not installed: nothing to compare with\n');
  return program ? [own, await startEtcd(dir, members, program)] : [own];
}

/** Rounds in turn, so that whatever else the machine does hits both; who begins changes too. */
async function measure(line: Line, targets: readonly Target[], context: Omit<Measure, 'target'>): Promise<Figure> {
  const found = new Map<string, number[]>(targets.map(({ name }) => [name, []]));
  for (let round = 0; round < (line.once ? 1 : rounds); round++) {
    for (const target of round % 2 ? targets.toReversed() : targets) {
      const value = await line.measure({ ...context, target });
      if (value !== undefined) found.get(target.name)?.push(value);
      say('.');
    }
  }
  if (line.writes) for (const target of targets) await target.compact();
  return figureOf(line, { ours: found.get('ours') ?? [], etcd: found.get('etcd') ?? [] });
}

async function run(dir: string, members: number): Promise<Figure[]> {
  const chosen = wanted(members);
  if (chosen.length === 0) return [];
  const targets = await startAll(dir, members);
  const load = new LoadProcess();
  const figures: Figure[] = [];
  try {
    for (const line of chosen) {
      say(`${members === 1 ? '' : `${members} members: `}${line.name} `);
      const figure = await measure(line, targets, { load, ms: Number(flags.seconds) * 1000, keys: Number(flags.keys), rounds });
      say(` ${figure.ratio?.toFixed(2) ?? ''}\n`);
      figures.push(members === 1 ? figure : { ...figure, name: `${members} members: ${figure.name}` });
    }
  } finally {
    load.close();
    for (const target of targets) await target.close();
  }
  return figures;
}

async function main(): Promise<void> {
  if (flags.help) return void process.stdout.write(help);
  mkdirSync(flags.dir, { recursive: true });
  const dir = mkdtempSync(join(flags.dir, 'orrery-store-bench-'));
  const figures: Figure[] = [];
  try {
    for (const members of flags.members.split(',').map(Number)) figures.push(...(await run(dir, members)));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  process.stdout.write(table(figures));
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify({ title: 'store', figures }, null, 2)}\n`);
}

await main();
process.exit(0);
