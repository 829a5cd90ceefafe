// `npm start`: installs what is missing, builds what has changed, starts a cluster. Arguments go to `orrery up`.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function fail(message) {
  process.stderr.write(`orrery: ${message}\n`);
  process.exit(1);
}

function run(what, command, args) {
  process.stdout.write(`${what} …\n`);
  const began = process.hrtime.bigint();
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', env: { ...process.env, NX_DAEMON: 'false' } });
  if (result.status !== 0) fail(`${what} failed:\n${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`);
  process.stdout.write(`${what}: ${(Number(process.hrtime.bigint() - began) / 1e9).toFixed(1)} s\n`);
}

if (Number(process.versions.node.split('.')[0]) < 20) fail(`Node ${process.versions.node} is too old: install Node 20 or later`);

const installed = join(root, 'node_modules/.package-lock.json');
const lock = join(root, 'package-lock.json');
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) run('Installing packages', 'npm', ['ci', '--no-audit', '--no-fund']);

const bundledNode = join(root, 'node_modules/.bin/node');
const node = existsSync(bundledNode) ? bundledNode : process.execPath;
run('Building (cached when nothing changed)', node, [join(root, 'node_modules/nx/dist/bin/nx.js'), 'run', 'cli:bundle']);

// Without NODE_EXTRA_CA_CERTS a Node process starts 40 ms sooner, and a cluster on loopback has its own CA.
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
// As apps/cli/src/detached.ts: room for objects that die young, no more collecting threads than processors.
const flags = ['--max-semi-space-size=64', '--initial-old-space-size=512', `--v8-pool-size=${Math.min(4, Math.max(1, availableParallelism() - 1))}`];
const child = spawn(node, [...flags, join(root, 'dist/apps/cli/main.js'), 'up', ...process.argv.slice(2)], { stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 130 : 1)));
