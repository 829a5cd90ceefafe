// Gives every project its Nx targets, so that a project needs no configuration beyond its tags in package.json:
//   lint, test   every app and library
//   bundle       every app with a src/main.ts: one file, dist/apps/NAME/main.js
//   serve        the same, run from source in place of a running cluster's own and restarted on change (tools/serve.ts)
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const sources = ['sources', '^sources', 'workspace'];

function targetsOf(root, workspaceRoot) {
  const name = basename(root);
  const targets = {
    lint: { command: `eslint ${root} --max-warnings=0`, cache: true, inputs: ['default', 'workspace', '{workspaceRoot}/eslint.config.mjs'] },
    test: { command: `vitest run ${root}`, cache: true, inputs: ['default', ...sources], dependsOn: ['^generate', 'generate'] },
  };
  if (root.startsWith('apps/') && existsSync(join(workspaceRoot, root, 'src/main.ts'))) {
    targets.bundle = {
      command: `node tools/bundle.mjs ${name}`,
      cache: true,
      dependsOn: ['^generate', 'generate'],
      inputs: [...sources, '{workspaceRoot}/tools/bundle.mjs'],
      outputs: [`{workspaceRoot}/dist/apps/${name}`],
    };
    targets.serve = { command: `node --disable-warning=ExperimentalWarning tools/serve.ts ${name}`, dependsOn: ['^generate', 'generate'], continuous: true };
  }
  return targets;
}

export const createNodesV2 = [
  '{apps,libs}/*/package.json',
  (files, _options, { workspaceRoot }) =>
    files.map((file) => {
      const root = dirname(file);
      const own = JSON.parse(readFileSync(join(workspaceRoot, file), 'utf8')).nx?.targets ?? {};
      return [file, { projects: { [root]: { targets: { ...targetsOf(root, workspaceRoot), ...own } } } }];
    }),
];
export const createNodes = createNodesV2;
export const name = 'orrery-targets';
