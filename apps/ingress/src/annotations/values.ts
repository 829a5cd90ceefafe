import { parseGoDuration } from '@orrery/runtime';
import { parseCidr, parseIp } from '@orrery/vnet';

/** A value that an annotation or a global setting may not have; the message is for an Event. */
export class BadValue extends Error {}

const fail = (text: string, wanted: string): never => {
  throw new BadValue(`${JSON.stringify(text)} is not ${wanted}`);
};

export function boolean(text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  return fail(text, 'true or false');
}

export function count(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : fail(text, 'a number');
}

/** Seconds: a number, or as nginx writes times (`10s`, `1m30s`). */
export function seconds(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  try {
    return parseGoDuration(text.replaceAll(' ', '')) / 1000;
  } catch {
    return fail(text, 'a time');
  }
}

const units: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Bytes as nginx writes them: `8m`. */
export function bytes(text: string): number {
  const match = /^(\d+)([kmg]?)b?$/i.exec(text);
  return match ? Number(match[1]) * (units[(match[2] ?? '').toLowerCase()] ?? 1) : fail(text, 'a size');
}

export function list(text: string): string[] {
  return text.split(',').map((part) => part.trim()).filter((part) => part !== '');
}

/** Addresses and CIDRs; an address is one of its own. */
export function cidrs(text: string): string[] {
  return list(text).map((part) => {
    if (parseIp(part)) return `${part}/${part.includes(':') ? 128 : 32}`;
    try {
      parseCidr(part);
      return part;
    } catch {
      return fail(part, 'an address or CIDR');
    }
  });
}

export function oneOf<T extends string>(...values: readonly T[]): (text: string) => T {
  return (text) => values.find((value) => value.toLowerCase() === text.toLowerCase()) ?? fail(text, `one of ${values.join(', ')}`);
}

/** Text that could not break out of a line of nginx's configuration. */
export function plain(text: string): string {
  return /[\r\n;{}]/.test(text.replace(/\$\{\w+\}/g, '')) ? fail(text, 'without line breaks, semicolons or braces') : text;
}

export function url(text: string): string {
  plain(text);
  return /^(https?:\/\/|\/|\$scheme:\/\/)\S*$/.test(text) ? text : fail(text, 'a URL');
}

export function host(text: string): string {
  return /^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text) || text.startsWith('~') ? text.toLowerCase() : fail(text, 'a host name');
}

export function header(text: string): string {
  return /^[A-Za-z0-9_-]+$/.test(text) ? text.toLowerCase() : fail(text, 'a header name');
}

export function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new BadValue(`${JSON.stringify(text)} is no regular expression: ${(error as Error).message}`);
  }
}

/** Status code of a redirect. */
export function redirectCode(text: string): number {
  const code = count(text);
  return code >= 300 && code <= 308 ? code : fail(text, 'a status code from 300 to 308');
}

export function codes(text: string): number[] {
  return list(text).map((part) => {
    const code = count(part);
    return code >= 300 && code <= 599 ? code : fail(part, 'a status code');
  });
}
