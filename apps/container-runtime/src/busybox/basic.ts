import { TestError, evaluateTest } from '../shell/test-command.ts';
import { readAll } from '../process/files.ts';
import { type Applet, eachInput, parseDuration, parseOptions } from './applet.ts';

const longestSleepMs = 2 ** 31 - 1;

const cat: Applet = (proc, args) => {
  const { flags, operands } = parseOptions(args, 'benstuvAET');
  let line = 0;
  return eachInput(proc, operands, {
    name: 'cat',
    async run(file) {
      if (flags.has('n') || flags.has('b')) {
        const text = (await readAll(proc, file)).toString();
        const lines = text.endsWith('\n') ? text.slice(0, -1).split('\n') : text.split('\n');
        await proc.out(lines.map((l) => (flags.has('b') && l === '' ? '\n' : `${String(++line).padStart(6)}\t${l}\n`)).join(''));
        return;
      }
      for (let chunk = await file.read(65536, proc.signal); chunk; chunk = await file.read(65536, proc.signal)) await proc.out(chunk);
    },
  });
};

const sleep: Applet = async (proc, args) => {
  let seconds = 0;
  for (const arg of args) seconds += parseDuration(arg);
  if (!args.length) {
    await proc.err('Usage: sleep [N]...\n');
    return 1;
  }
  for (let left = seconds * 1000; left > 0; left -= longestSleepMs) await proc.sleep(Math.min(left, longestSleepMs));
  return 0;
};

const test: Applet = async (proc, args, name) => {
  const operands = name === '[' ? args.slice(0, -1) : args;
  if (name === '[' && args.at(-1) !== ']') {
    await proc.err('[: missing ]\n');
    return 2;
  }
  try {
    return evaluateTest(proc, operands) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof TestError)) throw error;
    await proc.err(`${name}: ${error.message}\n`);
    return 2;
  }
};

export const basic: Readonly<Record<string, Applet>> = {
  cat,
  sleep,
  test,
  '[': test,
  true: () => Promise.resolve(0),
  false: () => Promise.resolve(1),
};
