import { lines, openPath } from '../../process/files.ts';
import type { Proc } from '../../process/proc.ts';
import { type Applet, UsageError, parseOptions } from '../applet.ts';
import { parseAwk, unescapeString } from './parse.ts';
import { AwkRunner } from './run.ts';

async function* records(proc: Proc, operands: readonly string[], on: { file(name: string): void; assignment(text: string): void }): AsyncGenerator<string> {
  const files = operands.filter((operand) => !/^[A-Za-z_]\w*=/.test(operand));
  for (const operand of files.length ? operands : [...operands, '-']) {
    if (/^[A-Za-z_]\w*=/.test(operand)) {
      on.assignment(operand);
      continue;
    }
    const file = operand === '-' ? proc.fds.get(0)?.retain() : openPath(proc, operand, { read: true });
    if (!file) continue;
    on.file(operand === '-' ? '' : operand);
    try {
      for await (const { text } of lines(proc, file)) yield text;
    } finally {
      file.release();
    }
  }
}

/** awk: patterns, actions, arrays, functions, printf, sub/gsub/split/match, getline; one record a line. */
export const awk: Applet = async (proc, args) => {
  const { values, all, operands } = parseOptions(args, 'F:v:f:', { posix: true });
  const source = values.has('f') ? proc.fs.readText(proc.path(values.get('f') as string)) : operands[0];
  if (source === undefined) throw new UsageError('no program given');
  const program = parseAwk(source);
  const inputs = records(proc, values.has('f') ? operands : operands.slice(1), {
    file(name) {
      runner.setGlobal('FILENAME', name);
      runner.setGlobal('FNR', 0);
    },
    assignment: (text) => runner.setGlobal(text.slice(0, text.indexOf('=')), { input: unescapeString(text.slice(text.indexOf('=') + 1)) }),
  });
  const runner = new AwkRunner({
    proc,
    program,
    nextRecord: async () => {
      const next = await inputs.next();
      return next.done ? undefined : next.value;
    },
  });
  if (values.has('F')) runner.setGlobal('FS', unescapeString(values.get('F') === 't' ? '\t' : (values.get('F') as string)));
  for (const [option, text] of all) if (option === 'v') runner.setGlobal(text.slice(0, text.indexOf('=')), { input: unescapeString(text.slice(text.indexOf('=') + 1)) });
  try {
    return await runner.run();
  } finally {
    await inputs.return(undefined);
  }
};
