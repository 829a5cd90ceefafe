/** A value of the Redis protocol (RESP2). */
export type Reply = { readonly ok: string } | { readonly error: string } | number | string | null | readonly Reply[];

export function encodeReply(reply: Reply): string {
  if (reply === null) return '$-1\r\n';
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
  if ('ok' in reply) return `+${reply.ok}\r\n`;
  if ('error' in reply) return `-${reply.error}\r\n`;
  return `*${reply.length}\r\n${reply.map(encodeReply).join('')}`;
}

/** Takes whole values off the front of a growing buffer. */
export class RespBuffer {
  private buffer = Buffer.alloc(0);

  push(bytes: Uint8Array): void {
    this.buffer = Buffer.concat([this.buffer, bytes]);
  }

  private line(at: number): { text: string; next: number } | undefined {
    const end = this.buffer.indexOf('\n', at);
    return end < 0 ? undefined : { text: this.buffer.toString('utf8', at, end).replace(/\r$/, ''), next: end + 1 };
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
        if (this.buffer.length < head.next + length + 2) return undefined;
        return { value: this.buffer.toString('utf8', head.next, head.next + length), next: head.next + length + 2 };
      }
      case '*': {
        const items: Reply[] = [];
        let next = head.next;
        for (let i = 0; i < Number(rest); i++) {
          const item = this.value(next);
          if (!item) return undefined;
          items.push(item.value);
          next = item.next;
        }
        return { value: items, next };
      }
      default:
        // An inline command: words on a line.
        return { value: head.text.split(/\s+/).filter(Boolean), next: head.next };
    }
  }

  take(): Reply | undefined {
    const found = this.value(0);
    if (found) this.buffer = this.buffer.subarray(found.next);
    return found?.value;
  }
}
