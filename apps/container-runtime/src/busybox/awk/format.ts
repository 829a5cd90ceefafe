import { type Value, toNumber, toText } from './run.ts';

/** printf of awk. */
export function formatAwk(format: string, values: readonly Value[]): string {
  let at = 0;
  const next = (): Value => values[at++] ?? '';
  return format.replace(/%([-+ 0#]*)(\*|\d+)?(?:\.(\*|\d+))?([diouxXcseEfgG%])/g, (_, flags: string, width: string | undefined, precision: string | undefined, code: string) => {
    if (code === '%') return '%';
    const size = width === '*' ? toNumber(next()) : Number(width ?? 0);
    const digits = precision === '*' ? toNumber(next()) : precision === undefined ? undefined : Number(precision);
    const value = next();
    const text = convert(code, value, { digits, flags });
    if (flags.includes('-')) return text.padEnd(size);
    const zero = flags.includes('0') && !'sc'.includes(code);
    const sign = zero ? (/^[-+]/.exec(text)?.[0] ?? '') : '';
    return zero ? sign + text.slice(sign.length).padStart(size - sign.length, '0') : text.padStart(size);
  });
}

function convert(code: string, value: Value, { digits, flags }: { digits: number | undefined; flags: string }): string {
  const number = toNumber(value);
  const plus = flags.includes('+') && number >= 0 ? '+' : '';
  switch (code) {
    case 's': return toText(value).slice(0, digits);
    case 'c': return typeof value === 'number' ? String.fromCharCode(value) : toText(value).slice(0, 1);
    case 'd':
    case 'i':
    case 'u': return plus + String(Math.trunc(number)).padStart(digits ?? 0, '0');
    case 'o': return Math.trunc(number).toString(8);
    case 'x': return Math.trunc(number).toString(16);
    case 'X': return Math.trunc(number).toString(16).toUpperCase();
    case 'f': return plus + number.toFixed(digits ?? 6);
    case 'e':
    case 'E': {
      const text = number.toExponential(digits ?? 6).replace(/e([-+])(\d)$/, 'e$10$2');
      return plus + (code === 'E' ? text.toUpperCase() : text);
    }
    default: return plus + String(Number(number.toPrecision(digits || 6)));
  }
}
