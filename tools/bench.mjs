// `npm run bench -- NAME [options]`: runs one bench (or all) and prints a table; `--json FILE` writes the figures too.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const benches = {
  apiserver: 'tools/bench/apiserver.ts',
  cluster: 'tools/bench/cluster.ts',
  controllers: 'tools/bench/controllers.ts',
  edge: 'tools/bench/edge.ts',
  nodes: 'tools/bench/nodes.ts',
  recovery: 'tools/bench/recovery.ts',
  proxy: 'tools/bench/proxy.ts',
  scheduler: 'tools/bench/scheduler.ts',
  store: 'apps/store/bench/store-bench.ts',
};

const [name, ...args] = process.argv.slice(2);
if (!name || name === '--help' || !benches[name]) {
  process.stdout.write(`npm run bench -- NAME [options]\n\nNAME is one of: ${Object.keys(benches).join(', ')}\n`);
  process.exit(name && name !== '--help' ? 2 : 0);
}
const { NODE_EXTRA_CA_CERTS: _, ...env } = { ...process.env, NX_DAEMON: 'false', PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` };
const built = spawnSync('nx', ['run-many', '-t', 'generate', 'bundle', '--output-style=static'], { cwd: root, env, encoding: 'utf8' });
if (built.status !== 0) {
  process.stderr.write(`${built.stdout}${built.stderr}`);
  process.exit(1);
}
const node = existsSync(join(root, 'node_modules/.bin/node')) ? join(root, 'node_modules/.bin/node') : process.execPath;
process.exit(spawnSync(node, [join(root, benches[name]), ...args], { cwd: root, env, stdio: 'inherit' }).status ?? 1);
