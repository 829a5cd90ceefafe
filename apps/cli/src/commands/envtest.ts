import { accessSync, chmodSync, constants, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { runEtcd } from '../envtest/etcd.ts';
import { runKubeApiserver } from '../envtest/kube-apiserver.ts';
import { defaultDataDir } from '../data-dir.ts';

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A command that runs this program again. */
function script(name: string): string {
  const words = [process.execPath, ...process.execArgv, process.argv[1] ?? '', 'envtest', name, '--'].map(quoted).join(' ');
  return `#!/bin/sh\n# ${name} for tests, played by Orrery\nexec ${words} "$@"\n`;
}

function onPath(program: string): string | undefined {
  return (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, program)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Writes the assets directory. Without a kubectl on PATH the command says so when it is run. */
function writeAssets(dir: string): void {
  mkdirSync(dir, { recursive: true });
  for (const name of ['etcd', 'kube-apiserver']) {
    writeFileSync(join(dir, name), script(name));
    chmodSync(join(dir, name), 0o755);
  }
  const kubectl = onPath('kubectl');
  rmSync(join(dir, 'kubectl'), { force: true });
  if (kubectl) symlinkSync(kubectl, join(dir, 'kubectl'));
  else {
    writeFileSync(join(dir, 'kubectl'), '#!/bin/sh\necho "kubectl was not on PATH when these assets were made" >&2\nexit 127\n');
    chmodSync(join(dir, 'kubectl'), 0o755);
  }
}

export function addEnvtest(program: Command): void {
  const envtest = program
    .command('envtest')
    .description('an assets directory (etcd, kube-apiserver, kubectl) for tests of Go operators: envtest of controller-runtime')
    .option('--bin-dir <dir>', 'where to write it (default: envtest in the directory of clusters)')
    .option('-q, --quiet', 'print the directory alone')
    .addHelpText('after', '\nThen, in a project of kubebuilder or Operator SDK, whose tests need no change:\n  export KUBEBUILDER_ASSETS=$(orrery envtest -q)\n  go test ./...')
    .action(({ binDir, quiet = false }: { binDir?: string; quiet?: boolean }) => {
      const dir = resolve(binDir ?? join(defaultDataDir(), '..', 'envtest'));
      writeAssets(dir);
      process.stdout.write(quiet ? `${dir}\n` : `etcd, kube-apiserver and kubectl are in ${dir}\n  export KUBEBUILDER_ASSETS=${dir}\n`);
    });
  for (const [name, run] of [['etcd', runEtcd], ['kube-apiserver', runKubeApiserver]] as const) {
    envtest
      .command(name, { hidden: true })
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .argument('[words...]')
      .action(() => run(process.argv.slice(process.argv.indexOf('--') + 1)));
  }
}
