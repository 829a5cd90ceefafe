import { lines, openPath, readAll } from '../process/files.ts';
import type { OpenFile } from '../process/open-file.ts';
import type { Proc } from '../process/proc.ts';
import { ExecError } from '../process/process-table.ts';
import { type Applet, UsageError, eachInput, parseInteger, parseOptions } from './applet.ts';

const followPollMs = 500;

/** `-5` is `-n 5`. */
function oldStyle(args: readonly string[]): string[] {
  return args.flatMap((arg, i) => (i === 0 && /^-\d+$/.test(arg) ? ['-n', arg.slice(1)] : [arg]));
}

async function allLines(proc: Proc, operands: readonly string[], name: string): Promise<{ list: string[]; status: number }> {
  const list: string[] = [];
  const status = await eachInput(proc, operands, {
    name,
    async run(file) {
      for await (const { text } of lines(proc, file)) list.push(text);
    },
  });
  return { list, status };
}

const joined = (list: readonly string[]): string => (list.length ? `${list.join('\n')}\n` : '');

const head: Applet = (proc, args) => {
  const { flags, values, operands } = parseOptions(oldStyle(args), 'n:c:qv');
  const bytes = values.has('c') ? parseInteger(values.get('c') as string) : undefined;
  const count = parseInteger(values.get('n') ?? '10');
  let first = true;
  return eachInput(proc, operands, {
    name: 'head',
    async run(file, label) {
      if ((operands.length > 1 || flags.has('v')) && !flags.has('q')) await proc.out(`${first ? '' : '\n'}==> ${label} <==\n`);
      first = false;
      if (bytes !== undefined) {
        for (let left = bytes; left > 0; ) {
          const chunk = await file.read(left, proc.signal);
          if (!chunk) break;
          await proc.out(chunk);
          left -= chunk.length;
        }
        return;
      }
      if (count < 0) {
        const text: string[] = [];
        for await (const line of lines(proc, file)) text.push(line.text);
        await proc.out(joined(text.slice(0, count)));
        return;
      }
      let left = count;
      if (left === 0) return;
      for await (const { text, ended } of lines(proc, file)) {
        await proc.out(ended ? `${text}\n` : text);
        if (--left === 0) return;
      }
    },
  });
};

async function follow(proc: Proc, path: string): Promise<never> {
  let at = proc.fs.tryStat(path)?.size ?? 0;
  for (;;) {
    await proc.sleep(followPollMs);
    const size = proc.fs.tryStat(path)?.size;
    if (size === undefined || size === at) continue;
    if (size < at) at = 0;
    await proc.out(proc.fs.readFile(path).subarray(at));
    at = size;
  }
}

const tail: Applet = async (proc, args) => {
  const { flags, values, operands } = parseOptions(oldStyle(args.map((a, i) => (/^\+\d+$/.test(a) && !/^-[nc]$/.test(args[i - 1] ?? '') ? `-n${a}` : a))), 'n:c:fFqvs:', { long: { follow: 'f', lines: 'n:' } });
  const spec = values.get('c') ?? values.get('n') ?? '10';
  const fromStart = spec.startsWith('+');
  const count = Math.abs(parseInteger(spec));
  let first = true;
  const status = await eachInput(proc, operands, {
    name: 'tail',
    async run(file, label) {
      const bytes = await readAll(proc, file);
      if (operands.length > 1 && !flags.has('q')) await proc.out(`${first ? '' : '\n'}==> ${label} <==\n`);
      first = false;
      if (values.has('c')) {
        await proc.out(fromStart ? bytes.subarray(count - 1) : bytes.subarray(Math.max(0, bytes.length - count)));
        return;
      }
      let start = fromStart ? 0 : bytes.length;
      if (fromStart) for (let n = 1; n < count && start < bytes.length; n++) start = bytes.indexOf(10, start) < 0 ? bytes.length : bytes.indexOf(10, start) + 1;
      else {
        let left = count;
        for (let i = bytes.length - 2; i >= 0 && left > 0; i--) if (bytes[i] === 10 && --left === 0) start = i + 1;
        if (left > 0) start = 0;
        if (count === 0) start = bytes.length;
      }
      await proc.out(bytes.subarray(start));
    },
  });
  if (!flags.has('f') && !flags.has('F')) return status;
  if (!operands.length) return 0;
  const files = operands.map((operand) => proc.path(operand)).filter((path) => flags.has('F') || proc.fs.tryStat(path)?.kind === 'file');
  if (!files.length) return operands.some((operand) => operand === '/dev/null') ? proc.until(new Promise<number>(() => undefined)) : 1;
  await Promise.race(files.map((path) => follow(proc, path)));
  return status;
};

const wc: Applet = async (proc, args) => {
  const { flags, operands } = parseOptions(args, 'clwmL');
  const all = !flags.size;
  const total = { l: 0, w: 0, c: 0, L: 0 };
  const wanted = (['l', 'w', 'c', 'L'] as const).filter((f) => flags.has(f) || (f === 'c' && flags.has('m')) || (all && f !== 'L'));
  const row = (counts: typeof total, label: string): string => {
    const numbers = wanted.map((f) => counts[f]);
    const text = wanted.length === 1 && operands.length <= 1 ? String(numbers[0]) : numbers.map((n) => String(n).padStart(9)).join(' ');
    return `${text}${label === '-' && !operands.length ? '' : ` ${label}`}\n`;
  };
  const status = await eachInput(proc, operands, {
    name: 'wc',
    async run(file, label) {
      const bytes = await readAll(proc, file);
      const text = bytes.toString();
      const counts = { l: bytes.filter((b) => b === 10).length, w: text.split(/\s+/).filter(Boolean).length, c: flags.has('m') ? [...text].length : bytes.length, L: Math.max(0, ...text.split('\n').map((l) => l.length)) };
      for (const f of ['l', 'w', 'c'] as const) total[f] += counts[f];
      total.L = Math.max(total.L, counts.L);
      await proc.out(row(counts, label));
    },
  });
  if (operands.length > 1) await proc.out(row(total, 'total'));
  return status;
};

function sortKey(spec: string, separator: string | undefined): { of(line: string): string; flags: string } {
  const [, from = '1', , fromFlags = '', to, , toFlags = ''] = /^(\d+)(\.\d+)?([nrbfhVu]*)(?:,(\d+)(\.\d+)?([nrbfhVu]*))?$/.exec(spec) ?? [];
  const of = (line: string): string => {
    const fields = separator === undefined ? (line.match(/\s*\S+/g) ?? []) : line.split(separator);
    return fields.slice(Number(from) - 1, to === undefined ? undefined : Number(to)).join(separator ?? '');
  };
  return { of, flags: fromFlags + toFlags };
}

const leadingNumber = (text: string): number => Number(/^\s*-?\d*\.?\d+/.exec(text)?.[0] ?? 0);

function humanNumber(text: string): number {
  const match = /^\s*(-?\d*\.?\d+)([KMGTP]?)/.exec(text);
  return match ? Number(match[1]) * 1024 ** ('KMGTP'.indexOf(match[2] || ' ') + 1) : 0;
}

const sort: Applet = async (proc, args) => {
  const { flags, values, all, operands } = parseOptions(args, 'nrufbhVsmcidMgzt:k:o:T:S:');
  const { list, status } = await allLines(proc, operands, 'sort');
  const keys = all.filter(([option]) => option === 'k').map(([, spec]) => sortKey(spec, values.get('t')));
  const order = (mode: string, a: string, b: string): number => {
    if (mode.includes('n') || mode.includes('g')) return leadingNumber(a) - leadingNumber(b);
    if (mode.includes('h')) return humanNumber(a) - humanNumber(b);
    if (mode.includes('V')) return a.localeCompare(b, 'en', { numeric: true });
    const clean = (text: string): string => (mode.includes('f') ? text.toUpperCase() : text);
    const [x, y] = mode.includes('b') ? [clean(a).trimStart(), clean(b).trimStart()] : [clean(a), clean(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  };
  const globalFlags = [...flags].join('');
  const compare = (a: string, b: string): number => {
    for (const key of keys) {
      const mode = key.flags.replace(/[ru]/g, '') || globalFlags;
      const result = order(mode, key.of(a), key.of(b));
      if (result) return key.flags.includes('r') || flags.has('r') ? -result : result;
    }
    if (keys.length && flags.has('u')) return 0;
    const result = keys.length ? order('', a, b) : order(globalFlags, a, b) || (flags.has('u') || flags.has('s') ? 0 : order('', a, b));
    return flags.has('r') ? -result : result;
  };
  if (flags.has('c')) return list.every((line, i) => i === 0 || compare(list[i - 1] as string, line) <= 0) ? 0 : 1;
  list.sort(compare);
  const out = flags.has('u') ? list.filter((line, i) => i === 0 || compare(list[i - 1] as string, line) !== 0) : list;
  if (values.has('o')) proc.fs.writeFile(proc.path(values.get('o') as string), joined(out));
  else await proc.out(joined(out));
  return status;
};

const uniq: Applet = async (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'cduif:s:w:');
  const { list, status } = await allLines(proc, operands.slice(0, 1), 'uniq');
  const key = (line: string): string => {
    const fields = line.split(/(?<=\S)(?=\s)/).slice(Number(values.get('f') ?? 0)).join('');
    return flags.has('i') ? fields.toLowerCase() : fields;
  };
  const groups: { line: string; count: number }[] = [];
  for (const line of list) {
    const last = groups.at(-1);
    if (last && key(last.line) === key(line)) last.count++;
    else groups.push({ line, count: 1 });
  }
  const chosen = groups.filter(({ count }) => (flags.has('d') ? count > 1 : flags.has('u') ? count === 1 : true));
  await proc.out(joined(chosen.map(({ line, count }) => (flags.has('c') ? `${String(count).padStart(7)} ${line}` : line))));
  return status;
};

function ranges(spec: string): (n: number) => boolean {
  const list = spec.split(',').map((part) => {
    const [, from, dash, to] = /^(\d*)(-?)(\d*)$/.exec(part) ?? [];
    if (from === undefined || part === '' || part === '-') throw new UsageError(`invalid range '${part}'`);
    return [from === '' ? 1 : Number(from), to ? Number(to) : dash ? Number.POSITIVE_INFINITY : Number(from)] as const;
  });
  return (n) => list.some(([from, to]) => n >= from && n <= to);
}

const cut: Applet = (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'b:c:f:d:sn');
  const spec = values.get('f') ?? values.get('c') ?? values.get('b');
  if (spec === undefined) throw new UsageError('expected a list of bytes, characters, or fields');
  const wanted = ranges(spec);
  const delimiter = values.get('d') ?? '\t';
  const pick = (line: string): string | undefined => {
    if (!values.has('f')) return [...line].filter((_, i) => wanted(i + 1)).join('');
    if (!line.includes(delimiter)) return flags.has('s') ? undefined : line;
    return line.split(delimiter).filter((_, i) => wanted(i + 1)).join(delimiter);
  };
  return eachInput(proc, operands, {
    name: 'cut',
    async run(file) {
      for await (const { text } of lines(proc, file)) {
        const out = pick(text);
        if (out !== undefined) await proc.out(`${out}\n`);
      }
    },
  });
};

const characterClasses: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z', digit: '0-9', alnum: '0-9A-Za-z', upper: 'A-Z', lower: 'a-z', space: '\t\n\v\f\r ', blank: '\t ', punct: '!-/:-@[-`{-~', xdigit: '0-9A-Fa-f', cntrl: '\0-\x1f',
};

function characterSet(spec: string): string[] {
  const expanded = spec.replace(/\[:(\w+):\]/g, (all, name: string) => characterClasses[name] ?? all);
  const plain = expanded.replace(/\\([0-7]{1,3}|.)/g, (_, code: string) => {
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
    return ({ n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v' } as Record<string, string>)[code] ?? code;
  });
  const out: string[] = [];
  for (let i = 0; i < plain.length; i++) {
    if (plain[i + 1] === '-' && i + 2 < plain.length) {
      for (let c = plain.charCodeAt(i); c <= plain.charCodeAt(i + 2); c++) out.push(String.fromCharCode(c));
      i += 2;
    } else out.push(plain[i] as string);
  }
  return out;
}

const tr: Applet = async (proc, args) => {
  const { flags, operands } = parseOptions(args, 'cCdst', { posix: true });
  const [one = '', two] = operands;
  const from = characterSet(one);
  const complement = flags.has('c') || flags.has('C');
  const inFirst = new Set(from);
  const matches = (c: string): boolean => inFirst.has(c) !== complement;
  const to = two === undefined ? [] : characterSet(two);
  const squeezed = flags.has('s') ? (two === undefined ? matches : (c: string) => to.includes(c)) : undefined;
  const stdin = proc.fds.get(0);
  if (!stdin) return 0;
  let last = '';
  for (let chunk = await proc.read(); chunk; chunk = await proc.read()) {
    let out = '';
    for (const c of Buffer.from(chunk).toString('latin1')) {
      if (flags.has('d') && matches(c)) continue;
      const mapped = !flags.has('d') && two !== undefined && matches(c) ? (complement ? (to.at(-1) ?? '') : (to[Math.min(from.lastIndexOf(c), to.length - 1)] ?? '')) : c;
      if (squeezed && mapped === last && squeezed(mapped)) continue;
      out += mapped;
      last = mapped;
    }
    await proc.out(Buffer.from(out, 'latin1'));
  }
  return 0;
};

const tee: Applet = async (proc, args) => {
  const { flags, operands } = parseOptions(args, 'ai');
  const files: OpenFile[] = operands.map((path) => openPath(proc, path, { write: true, create: true, ...(flags.has('a') ? { append: true } : { truncate: true }) }));
  for (let chunk = await proc.read(); chunk; chunk = await proc.read()) {
    for (const file of files) await file.write(chunk);
    await proc.out(chunk);
  }
  for (const file of files) file.release();
  return 0;
};

function words(text: string, options: { nul: boolean; delimiter: string | undefined }): string[] {
  if (options.nul) return text.split('\0').filter(Boolean);
  if (options.delimiter !== undefined) return text.replace(/\n$/, '').split(options.delimiter);
  return [...text.matchAll(/(?:[^\s'"\\]|'[^']*'|"[^"]*"|\\[^])+/g)].map(([word]) => word.replace(/'([^']*)'|"([^"]*)"|\\([^])/g, (_, a?: string, b?: string, c?: string) => a ?? b ?? c ?? ''));
}

const xargs: Applet = async (proc, args) => {
  const { flags, values, operands } = parseOptions(args, '0rtpxn:I:L:P:s:d:E:', { posix: true });
  const stdin = proc.fds.get(0);
  const text = stdin ? (await readAll(proc, stdin)).toString() : '';
  const replace = values.get('I');
  const items = replace === undefined ? words(text, { nul: flags.has('0'), delimiter: values.get('d') }) : text.split('\n').filter((line) => line !== '');
  const command = operands.length ? operands : ['echo'];
  const size = replace === undefined ? parseInteger(values.get('n') ?? '1000') : 1;
  if (!items.length && (flags.has('r') || replace !== undefined)) return 0;
  let status = 0;
  for (let i = 0; i < Math.max(1, items.length); i += size) {
    const batch = items.slice(i, i + size);
    const argv = replace === undefined ? [...command, ...batch] : command.map((word) => word.replaceAll(replace, batch[0] ?? ''));
    if (flags.has('t')) await proc.err(`${argv.join(' ')}\n`);
    try {
      const code = await proc.until(proc.spawn({ argv }).exited);
      if (code) status = 123;
    } catch (error) {
      if (!(error instanceof ExecError)) throw error;
      await proc.err(`xargs: ${argv[0]}: ${error.message}\n`);
      return error.exitCode;
    }
  }
  return status;
};

const seq: Applet = async (proc, args) => {
  const { flags, values, operands } = parseOptions(args.map((a) => (/^-\d/.test(a) ? ` ${a}` : a)), 'ws:f:');
  const numbers = operands.map((text) => {
    if (Number.isNaN(Number(text)) || text === '') throw new UsageError(`invalid number '${text}'`);
    return Number(text);
  });
  const [from, step, to] = numbers.length === 1 ? [1, 1, numbers[0] ?? 0] : numbers.length === 2 ? [numbers[0] ?? 1, 1, numbers[1] ?? 0] : [numbers[0] ?? 1, numbers[1] ?? 1, numbers[2] ?? 0];
  if (step === 0) throw new UsageError("invalid number '0'");
  const decimals = Math.max(0, ...operands.map((text) => text.trim().split('.')[1]?.length ?? 0));
  const count = Math.floor((to - from) / step + 1e-9) + 1;
  const list = Array.from({ length: Math.max(0, count) }, (_, i) => (from + i * step).toFixed(decimals));
  const width = flags.has('w') ? Math.max(...list.map((text) => text.length)) : 0;
  if (list.length) await proc.out(`${list.map((text) => text.padStart(width, '0')).join(values.get('s') ?? '\n')}\n`);
  return 0;
};

const yes: Applet = async (proc, args) => {
  const line = `${args.length ? args.join(' ') : 'y'}\n`;
  const block = Buffer.from(line.repeat(Math.max(1, Math.floor(4096 / line.length))));
  for (;;) {
    await proc.out(block);
    await proc.sleep(1);
  }
};

export const textTools: Readonly<Record<string, Applet>> = {
  head, tail, wc, sort, uniq, cut, tr, tee, xargs, seq, yes,
  tac: async (proc, args) => {
    const { list, status } = await allLines(proc, args, 'tac');
    await proc.out(joined(list.reverse()));
    return status;
  },
  rev: async (proc, args) => {
    const { list, status } = await allLines(proc, args, 'rev');
    await proc.out(joined(list.map((line) => [...line].reverse().join(''))));
    return status;
  },
  nl: async (proc, args) => {
    const { list, status } = await allLines(proc, parseOptions(args, 'b:').operands, 'nl');
    let n = 0;
    await proc.out(joined(list.map((line) => (line === '' ? '' : `${String(++n).padStart(6)}\t${line}`))));
    return status;
  },
  less: async (proc, args) => {
    const { list, status } = await allLines(proc, args.filter((arg) => !arg.startsWith('-')), 'less');
    await proc.out(joined(list));
    return status;
  },
};
