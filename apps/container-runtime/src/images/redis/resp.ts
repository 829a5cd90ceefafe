/** A value of the Redis protocol (RESP2). Strings hold one byte a character (latin1), so any data is kept as it is. */
export type Reply = { readonly ok: string } | { readonly error: string } | { readonly nilArray: true } | number | string | null | readonly Reply[];

/** A command that cannot be carried out; the message is the reply's error. */
export class RedisError extends Error {}

export function encodeReply(reply: Reply): string {
  if (reply === null) return '$-1\r\n';
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return `$${reply.length}\r\n${reply}\r\n`;
  if (isList(reply)) return `*${reply.length}\r\n${reply.map(encodeReply).join('')}`;
  if ('ok' in reply) return `+${reply.ok}\r\n`;
  if ('error' in reply) return `-${reply.error}\r\n`;
  return '*-1\r\n';
}

export function isList(reply: Reply): reply is readonly Reply[] {
  return Array.isArray(reply);
}

/** Splits a line into words as redis-cli and inline commands do; undefined when a quote is not closed. */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = [];
  const word = /\s*(?:"((?:[^"\\]|\\[^])*)"|'((?:[^'\\]|\\[^])*)'|([^\s"']\S*))(?=\s|$)/y;
  const text = line.trim();
  while (word.lastIndex < text.length) {
    const match = word.exec(text);
    if (!match) return undefined;
    const [, double, single, plain] = match;
    const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' };
    words.push(plain ?? single?.replaceAll("\\'", "'") ?? (double ?? '').replace(/\\(?:x([0-9a-fA-F]{2})|([^]))/g, (_, hex?: string, c?: string) => (hex ? String.fromCharCode(parseInt(hex, 16)) : (escapes[c ?? ''] ?? c ?? ''))));
  }
  return words;
}

/** Takes whole values off the front of a growing buffer. */
export class RespBuffer {
  private text = '';

  push(bytes: Uint8Array): void {
    this.text += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  }

  private line(at: number): { text: string; next: number } | undefined {
    const end = this.text.indexOf('\n', at);
    return end < 0 ? undefined : { text: this.text.slice(at, end).replace(/\r$/, ''), next: end + 1 };
  }

  private value(at: number): { value: Reply; next: number } | undefined {
    const head = this.line(at);
    if (!head) return undefined;
    const rest = head.text.slice(1);
    switch (head.text[0]) {
      case '+': return { value: { ok: rest }, next: head.next };
      case '-': return { value: { error: rest }, next: head.next };
      case ':': return { value: Number(rest), next: head.next };
      case '$': {
        const length = Number(rest);
        if (length < 0) return { value: null, next: head.next };
        if (!Number.isInteger(length) || length > 512 * 1024 ** 2) throw new RedisError('ERR Protocol error: invalid bulk length');
        if (this.text.length < head.next + length + 2) return undefined;
        return { value: this.text.slice(head.next, head.next + length), next: head.next + length + 2 };
      }
      case '*': {
        const count = Number(rest);
        if (count < 0) return { value: { nilArray: true }, next: head.next };
        if (!Number.isInteger(count) || count > 1024 ** 2) throw new RedisError('ERR Protocol error: invalid multibulk length');
        const items: Reply[] = [];
        let next = head.next;
        for (let i = 0; i < count; i++) {
          const item = this.value(next);
          if (!item) return undefined;
          items.push(item.value);
          next = item.next;
        }
        return { value: items, next };
      }
      default: throw new RedisError(`ERR Protocol error: expected '$', got '${head.text[0] ?? ' '}'`);
    }
  }

  /** The next reply, or undefined until more has come. Throws RedisError when it is no RESP. */
  takeReply(): Reply | undefined {
    const found = this.value(0);
    if (found) this.text = this.text.slice(found.next);
    return found?.value;
  }

  /** The words of the next command, RESP or inline; empty ones mean nothing. Undefined until more has come. */
  takeCommand(): readonly string[] | undefined {
    if (this.text === '') return undefined;
    if (this.text.startsWith('*')) {
      const reply = this.takeReply();
      if (reply === undefined) return undefined;
      if (!isList(reply)) return [];
      return reply.map((word) => {
        if (typeof word !== 'string') throw new RedisError("ERR Protocol error: expected '$'");
        return word;
      });
    }
    const line = this.line(0);
    if (!line) return undefined;
    this.text = this.text.slice(line.next);
    const words = splitWords(line.text);
    if (!words) throw new RedisError('ERR Protocol error: unbalanced quotes in request');
    return words;
  }
}
