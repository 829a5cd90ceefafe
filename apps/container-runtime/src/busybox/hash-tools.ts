import { FsError } from '../fs/fs-error.ts';
import { openPath, readAll } from '../process/files.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, eachInput, parseInteger, parseOptions } from './applet.ts';
import { md5 } from './md5.ts';

type Digest = (bytes: Uint8Array) => Promise<string> | string;

function subtle(algorithm: 'SHA-1' | 'SHA-256' | 'SHA-512'): Digest {
  return async (bytes) => Buffer.from(await crypto.subtle.digest(algorithm, Uint8Array.from(bytes))).toString('hex');
}

async function bytesOf(proc: Proc, name: string): Promise<Buffer> {
  const file = name === '-' ? proc.fds.get(0)?.retain() : openPath(proc, name, { read: true });
  if (!file) return Buffer.alloc(0);
  const bytes = await readAll(proc, file);
  file.release();
  return bytes;
}

function sum(digest: Digest): Applet {
  return async (proc, args, name) => {
    const { flags, operands } = parseOptions(args, 'cbsw');
    if (flags.has('c')) return check(proc, operands, digest);
    let status = 0;
    for (const operand of operands.length ? operands : ['-']) {
      try {
        await proc.out(`${await digest(await bytesOf(proc, operand))}  ${operand}\n`);
      } catch (error) {
        if (!(error instanceof FsError)) throw error;
        await proc.err(`${name}: can't open '${operand}': ${error.message}\n`);
        status = 1;
      }
    }
    return status;
  };
}

async function check(proc: Proc, lists: readonly string[], digest: Digest): Promise<number> {
  let failed = 0;
  for (const list of lists.length ? lists : ['-']) {
    for (const line of (await bytesOf(proc, list)).toString().split('\n').filter(Boolean)) {
      const [wanted = '', path = ''] = line.split(/\s+\*?/);
      const good = proc.fs.exists(proc.path(path)) && (await digest(await bytesOf(proc, path))) === wanted;
      if (!good) failed++;
      await proc.out(`${path}: ${good ? 'OK' : 'FAILED'}\n`);
    }
  }
  return failed ? 1 : 0;
}

const base64: Applet = (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'diw:', { long: { decode: 'd', wrap: 'w:' } });
  const width = parseInteger(values.get('w') ?? '76');
  return eachInput(proc, operands, {
    name: 'base64',
    async run(file) {
      const bytes = await readAll(proc, file);
      if (flags.has('d')) {
        await proc.out(Buffer.from(bytes.toString(), 'base64'));
        return;
      }
      const text = bytes.toString('base64');
      const rows = width > 0 ? (text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []) : [text];
      await proc.out(rows.map((row) => (width > 0 ? `${row}\n` : row)).join(''));
    },
  });
};

function cksum(bytes: Uint8Array): number {
  let crc = 0;
  const step = (byte: number): void => {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  };
  bytes.forEach(step);
  for (let length = bytes.length; length; length = Math.floor(length / 256)) step(length & 255);
  return ~crc >>> 0;
}

const printable = (byte: number): string => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.');

const hexdump: Applet = (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'Cvn:s:');
  return eachInput(proc, operands, {
    name: 'hexdump',
    async run(file) {
      const all = await readAll(proc, file);
      const skip = Number(values.get('s') ?? 0);
      const bytes = all.subarray(skip, values.has('n') ? skip + Number(values.get('n')) : undefined);
      let out = '';
      for (let i = 0; i < bytes.length; i += 16) {
        const row = [...bytes.subarray(i, i + 16)];
        const offset = (skip + i).toString(16);
        if (flags.has('C')) {
          const hex = row.map((b) => b.toString(16).padStart(2, '0'));
          out += `${offset.padStart(8, '0')}  ${`${hex.slice(0, 8).join(' ').padEnd(23)}  ${hex.slice(8).join(' ')}`.padEnd(48)}  |${row.map(printable).join('')}|\n`;
        } else {
          const pairs = Array.from({ length: Math.ceil(row.length / 2) }, (_, n) => ((row[2 * n] ?? 0) | ((row[2 * n + 1] ?? 0) << 8)).toString(16).padStart(4, '0'));
          out += `${offset.padStart(7, '0')} ${pairs.join(' ')}\n`;
        }
      }
      const end = (skip + bytes.length).toString(16);
      await proc.out(out + (bytes.length ? `${flags.has('C') ? end.padStart(8, '0') : end.padStart(7, '0')}\n` : ''));
    },
  });
};

const odCharacters: Readonly<Record<number, string>> = { 0: '\\0', 7: '\\a', 8: '\\b', 9: '\\t', 10: '\\n', 11: '\\v', 12: '\\f', 13: '\\r' };

const od: Applet = (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'cxbdoAt:N:v'.replace('A', 'A:'));
  const type = values.get('t') ?? (flags.has('c') ? 'c' : flags.has('x') ? 'x2' : flags.has('b') ? 'o1' : flags.has('d') ? 'u2' : 'o2');
  const size = Number(/\d/.exec(type)?.[0] ?? (type.startsWith('c') ? 1 : 4));
  const radix = type.startsWith('x') ? 16 : type.startsWith('o') ? 8 : 10;
  const width = type.startsWith('c') ? 4 : { 16: 2 * size + 1, 8: Math.ceil((8 * size) / 3) + 1, 10: Math.ceil(2.5 * size) + 1 }[radix];
  const address = (n: number): string => ({ n: '', x: n.toString(16).padStart(6, '0'), d: String(n).padStart(7, '0') })[values.get('A') ?? ''] ?? n.toString(8).padStart(7, '0');
  return eachInput(proc, operands, {
    name: 'od',
    async run(file) {
      const all = await readAll(proc, file);
      const bytes = values.has('N') ? all.subarray(0, Number(values.get('N'))) : all;
      let out = '';
      for (let i = 0; i < bytes.length; i += 16) {
        const row = bytes.subarray(i, i + 16);
        const cells: string[] = [];
        for (let at = 0; at < row.length; at += size) {
          if (type.startsWith('c')) cells.push((odCharacters[row[at] as number] ?? ((row[at] as number) < 32 || (row[at] as number) > 126 ? (row[at] as number).toString(8).padStart(3, '0') : String.fromCharCode(row[at] as number))).padStart(width ?? 4));
          else {
            let value = 0;
            for (let k = size - 1; k >= 0; k--) value = value * 256 + (row[at + k] ?? 0);
            const digits = value.toString(radix);
            cells.push(` ${radix === 10 ? digits.padStart((width ?? 4) - 1) : digits.padStart((width ?? 4) - 1, '0')}`);
          }
        }
        out += `${address(i)}${cells.join('')}\n`;
      }
      const end = address(bytes.length);
      await proc.out(out + (end ? `${end}\n` : ''));
    },
  });
};

export const hashTools: Readonly<Record<string, Applet>> = {
  base64, hexdump, od,
  md5sum: sum(md5),
  sha1sum: sum(subtle('SHA-1')),
  sha256sum: sum(subtle('SHA-256')),
  sha512sum: sum(subtle('SHA-512')),
  cksum: (proc, args) =>
    eachInput(proc, args, {
      name: 'cksum',
      async run(file, label) {
        const bytes = await readAll(proc, file);
        await proc.out(`${cksum(bytes)} ${bytes.length}${label === '-' ? '' : ` ${label}`}\n`);
      },
    }),
  strings: (proc, args) =>
    eachInput(proc, args.filter((arg) => !arg.startsWith('-')), {
      name: 'strings',
      async run(file) {
        const found = (await readAll(proc, file)).toString('latin1').match(/[\x20-\x7e\t]{4,}/g) ?? [];
        await proc.out(found.map((text) => `${text}\n`).join(''));
      },
    }),
};
