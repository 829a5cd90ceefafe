import type { Proc, Program } from '../process/proc.ts';
import { shell } from '../shell/sh.ts';
import { applets } from './applets.ts';

/** Names under which the tools are linked. */
export const appletNames: readonly string[] = [...applets.keys()].sort();

/** busybox: the tool is chosen by the name it was called by, or by the first argument. */
export const busyboxProgram: Program = (proc: Proc) => run(proc, proc.argv);

async function run(proc: Proc, argv: readonly string[]): Promise<number> {
  const name = (argv[0] ?? '').split('/').at(-1)?.replace(/^-/, '') ?? '';
  if (name === 'sh' || name === 'ash' || name === 'bash') return shell(proc, argv);
  const applet = applets.get(name);
  if (applet) return applet(proc, argv.slice(1), name);
  if (name !== 'busybox') {
    await proc.err(`${name}: applet not found\n`);
    return 127;
  }
  if (argv.length > 1 && argv[1] !== '--list' && argv[1] !== '--help') return run(proc, argv.slice(1));
  if (argv[1] === '--list') await proc.out(`${appletNames.join('\n')}\n`);
  else await proc.out(`BusyBox v1.37.0 multi-call binary.\n\nCurrently defined functions:\n\t${appletNames.join(', ')}\n`);
  return 0;
}
