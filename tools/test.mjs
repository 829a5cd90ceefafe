// `npm test`: installs, builds, lints, type-checks and runs every test this machine can run. Says which suites it skipped
// and why, and ends with one plain line: `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = join(root, 'node_modules/.bin');
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, NX_DAEMON: 'false', FORCE_COLOR: '0' };
delete env.NODE_EXTRA_CA_CERTS;
const totals = { passed: 0, failed: 0, skipped: 0 };
const notes = [];
/** What failed, told again at the very end: the output before it is long, and a log that was cut keeps its end. */
const failures = [];

function seconds(began) {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}

/** The kubectls of all these releases take nine minutes through every command: the oldest, the newest and two between are a fair sample. */
const sampledMinors = '27,30,32,33';

function lastLines(text, count) {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

/** Name, file and the head of the message of each test that failed in a report of vitest. */
function failed(name, testResults) {
  for (const file of testResults) {
    const where = `${name}: ${relative(root, file.name)}`;
    const tests = file.assertionResults.filter((test) => test.status === 'failed');
    for (const test of tests) failures.push(`${where} > ${test.fullName}\n${(test.failureMessages ?? []).join('\n').split('\n').slice(0, 25).join('\n')}`);
    if (file.status === 'failed' && tests.length === 0) failures.push(`${where}\n${(file.message ?? '').split('\n').slice(0, 25).join('\n')}`);
  }
}

/** Runs one step; a failure counts as one failed test. Returns whether it succeeded. */
function step(name, command, args, options = {}) {
  const began = performance.now();
  process.stdout.write(`\n== ${name}\n`);
  const result = spawnSync(command, args, { cwd: root, env: { ...env, ...options.env }, stdio: options.quiet ? 'pipe' : 'inherit', encoding: 'utf8' });
  const ok = result.status === 0;
  if (!ok && options.quiet) process.stdout.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  process.stdout.write(`== ${name}: ${ok ? 'done' : 'FAILED'} in ${seconds(began)}\n`);
  if (options.counts !== false) {
    totals[ok ? 'passed' : 'failed'] += 1;
    if (!ok) failures.push(options.quiet ? `${name}\n${lastLines(`${result.stdout ?? ''}${result.stderr ?? ''}`, 40)}` : name);
  }
  return ok;
}

function has(program) {
  return spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8', env }).status === 0;
}

/** Runs vitest and adds up what it reports; a run that dies without a report counts as failed. */
function suite(name, args, more = {}) {
  const report = join(root, 'tmp', `${name.replace(/\W+/g, '-')}.json`);
  mkdirSync(dirname(report), { recursive: true });
  rmSync(report, { force: true });
  step(name, join(bin, 'vitest'), ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...args], { counts: false, env: more });
  if (!existsSync(report)) {
    totals.failed += 1;
    failures.push(`${name}: ended without a report`);
    return;
  }
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numFailedTestSuites, testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const brokenFiles = testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length;
  totals.passed += numPassedTests;
  totals.failed += numFailedTests + brokenFiles + (numFailedTestSuites > 0 && numFailedTests + brokenFiles === 0 ? 1 : 0);
  totals.skipped += numPendingTests + numTodoTests;
  failed(name, testResults);
}

function skip(name, why) {
  notes.push(`${name}: ${why}`);
  totals.skipped += 1;
}

const installed = join(root, 'node_modules/.package-lock.json');
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(join(root, 'package-lock.json')).mtimeMs) {
  if (!step('install', 'npm', ['ci', '--no-audit', '--no-fund'], { counts: false })) process.exit(1);
}

const only = process.argv.slice(2);
const wanted = (name) => only.length === 0 || only.includes(name);
const nx = join(bin, 'nx');

if (!step('build', nx, ['run-many', '-t', 'generate', 'bundle', '--output-style=static'], { quiet: true })) process.exit(1);
if (wanted('typecheck')) step('type-check', join(bin, 'tsc'), ['-p', '.']);
if (wanted('lint')) step('lint', nx, ['run', 'orrery:lint', '--output-style=static'], { quiet: true });
for (const [program, suites] of [
  ['etcd', 'the store contract suite on etcd (apt-get install etcd-server)'],
  ['etcdctl', 'etcdctl against the store (apt-get install etcd-client)'],
  ['containerd', 'real containers under the kubelet and the CRI contract (apt-get install containerd)'],
  ['nats-server', 'the bus and the processes layout over NATS (apt-get install nats-server)'],
]) {
  if (!has(program)) notes.push(`${suites}: ${program} is not on PATH`);
}
if (wanted('unit')) suite('unit and contract tests', []);
if (wanted('stores')) {
  for (const [kind, name] of [['store', 'our store over TLS'], ['cluster', 'three stores whose leaders are killed'], ['etcd', 'etcd'], ['replicas', 'two that take turns']]) {
    if (kind === 'etcd' && !has('etcd')) skip('the API server on etcd', 'etcd is not on PATH (apt-get install etcd-server)');
    else suite(`the API server on ${name}`, ['-c', 'vitest.stores.config.ts'], { ORRERY_TEST_STORE: kind });
  }
}
if (wanted('journeys')) {
  if (has('kubectl')) suite('journeys with kubectl', ['-c', 'vitest.journey.config.ts'], { ORRERY_LAYOUTS: process.env.ORRERY_LAYOUTS ?? 'single,threads,processes', ORRERY_KUBECTL_MINORS: process.env.ORRERY_KUBECTL_MINORS ?? sampledMinors });
  else skip('journeys with kubectl', 'kubectl is not on PATH');
}
if (wanted('compose')) {
  const engine = has('docker') && spawnSync('docker', ['version'], { env, timeout: 10_000 }).status === 0;
  const compose = has('docker-compose') || (has('docker') && spawnSync('docker', ['compose', 'version'], { env }).status === 0);
  if (!compose || !(engine || (has('dockerd') && process.getuid?.() === 0))) skip('the compose layout', 'no Docker engine that this user may use or start, or no Compose (apt-get install docker.io docker-compose)');
  else if (!has('kubectl')) skip('the compose layout', 'kubectl is not on PATH');
  else suite('the compose layout', ['-c', 'vitest.compose.config.ts']);
}

if (notes.length) process.stdout.write(`\nNot run here:\n${notes.map((note) => `  ${note}\n`).join('')}`);
if (failures.length) process.stdout.write(`\nFailed:\n\n${failures.join('\n\n')}\n`);
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
process.exit(totals.failed > 0 ? 1 : 0);
