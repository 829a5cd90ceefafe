// Bundles one app, or every app with a src/main.ts, into dist/apps/NAME/main.js: `node tools/bundle.mjs [NAME ...]`.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const all = readdirSync(join(root, 'apps')).filter((app) => existsSync(join(root, 'apps', app, 'src/main.ts')));
const apps = process.argv.length > 2 ? process.argv.slice(2) : all;

// What an older one lacks would fail in the middle of work.
const needs = "if (Number(process.versions.node.split('.')[0]) < 22) { process.stderr.write('orrery: Node ' + process.versions.node + ' is too old: use Node 22 or later, or the one that comes with the packages on Linux (node_modules/.bin/node)\\n'); process.exit(1); }";
// CommonJS dependencies (grpc-js, ws) call require inside an ES module bundle.
const banner = "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url); const __filename = (await import('node:url')).fileURLToPath(import.meta.url); const __dirname = (await import('node:path')).dirname(__filename);";

for (const app of apps) {
  const out = join(root, 'dist/apps', app);
  mkdirSync(out, { recursive: true });
  await build({
    entryPoints: [join(root, 'apps', app, 'src/main.ts')],
    outfile: join(out, 'main.js'),
    bundle: true,
    platform: 'node',
    target: 'node22',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: 'linked',
    legalComments: 'none',
    banner: { js: `${banner} ${needs}` },
    external: ['bufferutil', 'utf-8-validate'],
    logLevel: 'warning',
  });
  writeFileSync(join(out, 'package.json'), '{ "type": "module" }\n');
}
