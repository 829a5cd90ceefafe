#!/usr/bin/env node
// `npx orrery …`: runs the bundled program, building it first where that has not been done. Started by a Node that is too old for it
// (`node_modules/.bin/orrery` where the system's is), it goes on with the one that comes with the packages.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const ownNode = join(root, 'node_modules/.bin/node');
const isOld = Number(process.versions.node.split('.')[0]) < 22;
if (isOld && existsSync(ownNode)) await runWith(ownNode);

/** Runs this program with another Node and ends as that does. */
function runWith(node) {
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((_, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => process.exit(code ?? (signal ? 130 : 1)));
  });
}

const bundle = join(root, 'dist/apps/cli/main.js');
if (!existsSync(bundle)) {
  process.stderr.write('orrery: building (first run) …\n');
  const nx = join(root, 'node_modules/nx/dist/bin/nx.js');
  const built = spawnSync(process.execPath, [nx, 'run', 'cli:bundle'], { cwd: root, encoding: 'utf8', env: { ...process.env, NX_DAEMON: 'false' } });
  if (built.status !== 0) {
    process.stderr.write(`orrery: the build failed; run \`npm ci\` and try again\n${built.stdout ?? ''}${built.stderr ?? ''}`);
    process.exit(1);
  }
}
// Compiled once for all runs, where this Node can (22.8).
module.enableCompileCache?.(join(root, 'dist/compile-cache'));
await import(pathToFileURL(bundle).href);
