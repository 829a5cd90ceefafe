import type { Proc } from '../process/proc.ts';
import { unescape } from './echo.ts';

const directive = /%([-+ 0#]*)(\*|\d+)?(?:\.(\*|\d+))?([diouxXcsbeEfgGq%])/y;

function pad(text: string, flags: string, width: number): string {
  if (flags.includes('-')) return text.padEnd(width);
  if (flags.includes('0') && /^[-+]?[0-9a-fA-FxX.]+$/.test(text)) {
    const sign = /^[-+]/.exec(text)?.[0] ?? '';
    return sign + text.slice(sign.length).padStart(width - sign.length, '0');
  }
  return text.padStart(width);
}

function floating(value: number, conversion: string, precision: number): string {
  if (conversion === 'f') return value.toFixed(precision);
  if (conversion === 'e' || conversion === 'E') {
    const text = value.toExponential(precision).replace(/e([-+])(\d)$/, 'e$10$2');
    return conversion === 'E' ? text.toUpperCase() : text;
  }
  const text = value.toPrecision(precision || 1);
  return text.includes('e') ? text.replace(/e([-+])(\d)$/, 'e$10$2') : text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

class Formatter {
  private readonly args: readonly string[];
  private at = 0;
  readonly errors: string[] = [];
  readonly parts: Buffer[] = [];
  stopped = false;

  constructor(args: readonly string[]) {
    this.args = args;
  }

  get left(): number {
    return this.args.length - this.at;
  }

  private next(): string {
    return this.args[this.at++] ?? '';
  }

  private integer(text: string): bigint {
    if (text === '') return 0n;
    if (/^["']/.test(text)) return BigInt(text.codePointAt(1) ?? 0);
    const match = /^\s*([-+]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)$/.exec(text);
    if (!match) {
      this.errors.push(`invalid number '${text}'`);
      return BigInt(/^[-+]?\d+/.exec(text)?.[0] ?? '0');
    }
    const digits = match[2] ?? '0';
    const value = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
    return match[1] === '-' ? -value : value;
  }

  private number(conversion: string, flags: string, precision: number | undefined): string {
    const value = this.integer(this.next());
    const unsigned = value < 0n && !'di'.includes(conversion) ? BigInt.asUintN(64, value) : value;
    const radix = conversion === 'o' ? 8 : 'xX'.includes(conversion) ? 16 : 10;
    let text = (unsigned < 0n ? -unsigned : unsigned).toString(radix);
    if (precision !== undefined) text = text.padStart(precision, '0');
    if (flags.includes('#') && radix === 16) text = `0x${text}`;
    if (conversion === 'X') text = text.toUpperCase();
    return (unsigned < 0n ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '') + text;
  }

  format(format: string): void {
    let plain = '';
    for (let i = 0; i < format.length; ) {
      directive.lastIndex = i;
      const found = format[i] === '%' ? directive.exec(format) : null;
      if (!found) {
        plain += format[i++];
        continue;
      }
      i += found[0].length;
      const escaped = unescape(plain);
      this.parts.push(escaped.bytes);
      plain = '';
      if (escaped.stopped) {
        this.stopped = true;
        return;
      }
      this.directive(found);
      if (this.stopped) return;
    }
    const { bytes, stopped } = unescape(plain);
    this.parts.push(bytes);
    this.stopped ||= stopped;
  }

  private directive([, flags = '', widthText, precisionText, conversion = '']: RegExpExecArray): void {
    const width = widthText === '*' ? Number(this.next()) : Number(widthText ?? 0);
    const precision = precisionText === undefined ? undefined : precisionText === '*' ? Number(this.next()) : Number(precisionText);
    if (conversion === '%') this.parts.push(Buffer.from('%'));
    else if (conversion === 'b') {
      const { bytes, stopped } = unescape(this.next(), { zeroOctal: true });
      this.parts.push(bytes);
      this.stopped = stopped;
    } else if (conversion === 's') this.parts.push(Buffer.from(pad(this.next().slice(0, precision), flags.replace('0', ''), width)));
    else if (conversion === 'q') this.parts.push(Buffer.from(`'${this.next().replaceAll("'", "'\\''")}'`));
    else if (conversion === 'c') this.parts.push(Buffer.from(pad(this.next().slice(0, 1), flags, width)));
    else if ('eEfgG'.includes(conversion)) this.parts.push(Buffer.from(pad(floating(Number(this.next()) || 0, conversion, precision ?? 6), flags, width)));
    else this.parts.push(Buffer.from(pad(this.number(conversion, flags, precision), flags, width)));
  }
}

/** printf FORMAT [ARGUMENT]…: the format is used again while arguments are left. */
export async function printf(proc: Proc, args: readonly string[]): Promise<number> {
  const [format, ...values] = args[0] === '--' ? args.slice(1) : args;
  if (format === undefined) {
    await proc.err('Usage: printf FORMAT [ARG]...\n');
    return 1;
  }
  const formatter = new Formatter(values);
  let before: number;
  do {
    before = formatter.left;
    formatter.format(format);
  } while (!formatter.stopped && formatter.left > 0 && formatter.left < before);
  await proc.out(Buffer.concat(formatter.parts));
  for (const error of formatter.errors) await proc.err(`printf: ${error}\n`);
  return formatter.errors.length ? 1 : 0;
}
