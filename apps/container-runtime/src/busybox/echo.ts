import type { Proc } from '../process/proc.ts';

const simple: Readonly<Record<string, string>> = { a: '\x07', b: '\b', e: '\x1b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\' };

/** Interprets backslash escapes as echo -e and printf do. `stopped`: a `\c` ended the output. */
export function unescape(text: string, options: { zeroOctal?: boolean } = {}): { bytes: Buffer; stopped: boolean } {
  const parts: Buffer[] = [];
  let plain = '';
  const flush = (): void => {
    if (plain) parts.push(Buffer.from(plain));
    plain = '';
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (c !== '\\') {
      plain += c;
      continue;
    }
    const rest = text.slice(i + 1);
    if (rest.startsWith('c')) {
      flush();
      return { bytes: Buffer.concat(parts), stopped: true };
    }
    const code = /^x([0-9a-fA-F]{1,2})/.exec(rest) ?? (options.zeroOctal ? /^0([0-7]{0,3})/ : /^([0-7]{1,3})/).exec(rest);
    if (code) {
      flush();
      parts.push(Buffer.from([Number.parseInt(code[1] || '0', code[0].startsWith('x') ? 16 : 8) & 255]));
      i += code[0].length;
    } else {
      const known = simple[rest[0] ?? ''];
      plain += known ?? '\\';
      if (known !== undefined) i++;
    }
  }
  flush();
  return { bytes: Buffer.concat(parts), stopped: false };
}

/** echo [-neE]: as busybox, escapes only with -e. */
export async function echo(proc: Proc, args: readonly string[]): Promise<number> {
  let [newline, escapes, i] = [true, false, 0];
  for (; /^-[neE]+$/.test(args[i] ?? ''); i++) {
    for (const option of (args[i] as string).slice(1)) {
      if (option === 'n') newline = false;
      else escapes = option === 'e';
    }
  }
  const text = args.slice(i).join(' ');
  if (!escapes) await proc.out(newline ? `${text}\n` : text);
  else {
    const { bytes, stopped } = unescape(text, { zeroOctal: true });
    await proc.out(newline && !stopped ? Buffer.concat([bytes, Buffer.from('\n')]) : bytes);
  }
  return 0;
}
