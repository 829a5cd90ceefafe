import { type Conn, NetError } from '@orrery/vnet';
import { ProcessEnded, type Proc, type Program } from '../process/proc.ts';
import { signals } from '../process/signals.ts';
import type { ImageDefinition } from './define-image.ts';

const version = '1.6.38';
/** Longer expiry times are moments since 1970, not durations. */
const longestDurationSeconds = 30 * 24 * 3600;

interface Item {
  flags: string;
  data: string;
  unique: number;
  expiresAtMs: number;
}

/** The items of one server and its text protocol; strings hold one byte a character. */
class Cache {
  private readonly items = new Map<string, Item>();
  private readonly counts: Record<string, number> = { cmd_get: 0, cmd_set: 0, get_hits: 0, get_misses: 0, total_items: 0, total_connections: 0, curr_connections: 0 };
  private readonly proc: Proc;
  private readonly startedAtMs: number;
  private unique = 0;

  constructor(proc: Proc) {
    this.proc = proc;
    this.startedAtMs = proc.clock.now();
  }

  count(name: string, by = 1): void {
    this.counts[name] = (this.counts[name] ?? 0) + by;
  }

  private find(key: string): Item | undefined {
    const item = this.items.get(key);
    if (!item || item.expiresAtMs > this.proc.clock.now()) return item;
    this.items.delete(key);
    return undefined;
  }

  private moment(text: string): number {
    const seconds = Number(text);
    if (seconds === 0) return Number.POSITIVE_INFINITY;
    if (seconds < 0) return 0;
    return seconds > longestDurationSeconds ? seconds * 1000 : this.proc.clock.now() + seconds * 1000;
  }

  store(words: readonly string[], data: string): string {
    const [command = '', key = '', flags = '0', expiry = '0', , unique] = words;
    this.count('cmd_set');
    const old = this.find(key);
    if ((command === 'add' && old) || (['replace', 'append', 'prepend'].includes(command) && !old)) return 'NOT_STORED';
    if (command === 'cas' && !old) return 'NOT_FOUND';
    if (command === 'cas' && old?.unique !== Number(unique)) return 'EXISTS';
    const joined = command === 'append' ? (old?.data ?? '') + data : command === 'prepend' ? data + (old?.data ?? '') : data;
    const keeps = old && (command === 'append' || command === 'prepend');
    this.items.set(key, { flags: keeps ? old.flags : flags, data: joined, unique: ++this.unique, expiresAtMs: keeps ? old.expiresAtMs : this.moment(expiry) });
    this.count('total_items');
    return 'STORED';
  }

  private get(keys: readonly string[], withUnique: boolean): string {
    const found = keys.map((key) => {
      const item = this.find(key);
      this.count('cmd_get');
      this.count(item ? 'get_hits' : 'get_misses');
      return item ? `VALUE ${key} ${item.flags} ${item.data.length}${withUnique ? ` ${item.unique}` : ''}\r\n${item.data}\r\n` : '';
    });
    return `${found.join('')}END`;
  }

  private add(key: string, by: string, sign: 1n | -1n): string {
    const item = this.find(key);
    if (!/^\d+$/.test(by)) return 'CLIENT_ERROR invalid numeric delta argument';
    if (!item) return 'NOT_FOUND';
    if (!/^\d+$/.test(item.data.trim())) return 'CLIENT_ERROR cannot increment or decrement non-numeric value';
    const next = BigInt(item.data.trim()) + sign * BigInt(by);
    item.data = String(next < 0n ? 0n : next % 2n ** 64n);
    item.unique = ++this.unique;
    return item.data;
  }

  private stats(): string {
    const { clock, pid } = this.proc;
    const keys = [...this.items.keys()].filter((key) => this.find(key));
    const facts = { pid, uptime: Math.floor((clock.now() - this.startedAtMs) / 1000), time: Math.floor(clock.now() / 1000), version, curr_items: keys.length, ...this.counts };
    return `${Object.entries(facts).map(([name, value]) => `STAT ${name} ${value}\r\n`).join('')}END`;
  }

  /** Answers a command without data; undefined closes the connection. */
  run(words: readonly string[]): string | undefined {
    const [command = '', key = '', third = ''] = words;
    switch (command) {
      case 'get':
      case 'gets': return words.length < 2 ? 'ERROR' : this.get(words.slice(1), command === 'gets');
      case 'delete': return this.find(key) && this.items.delete(key) ? 'DELETED' : 'NOT_FOUND';
      case 'incr': return this.add(key, third, 1n);
      case 'decr': return this.add(key, third, -1n);
      case 'touch': {
        const item = this.find(key);
        if (!item) return 'NOT_FOUND';
        item.expiresAtMs = this.moment(third);
        return 'TOUCHED';
      }
      case 'flush_all':
        this.items.clear();
        return 'OK';
      case 'stats': return key === '' ? this.stats() : 'END';
      case 'version': return `VERSION ${version}`;
      case 'verbosity': return 'OK';
      case 'quit': return undefined;
      default: return 'ERROR';
    }
  }
}

const storing = new Set(['set', 'add', 'replace', 'append', 'prepend', 'cas']);

async function converse(cache: Cache, conn: Conn): Promise<void> {
  let text = '';
  for (let bytes = await conn.read(); bytes; bytes = await conn.read()) {
    text += Buffer.from(bytes).toString('latin1');
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const words = text.slice(0, end).trim().split(/ +/);
      const rest = text.slice(end + 1);
      let reply: string | undefined;
      if (storing.has(words[0] ?? '') && /^\d+$/.test(words[4] ?? '')) {
        const size = Number(words[4]);
        if (rest.length < size + 2) break;
        const whole = rest.startsWith('\r\n', size);
        reply = whole ? cache.store(words, rest.slice(0, size)) : 'CLIENT_ERROR bad data chunk';
        text = whole ? rest.slice(size + 2) : rest.slice(rest.indexOf('\n') + 1);
      } else {
        reply = words[0] === '' ? 'ERROR' : cache.run(words);
        text = rest;
      }
      if (reply === undefined) return;
      if (words.at(-1) !== 'noreply') await conn.write(Buffer.from(`${reply}\r\n`, 'latin1'));
    }
  }
}

const memcachedServer: Program = (proc) => {
  const args = proc.argv.slice(1);
  const at = args.findIndex((arg) => arg === '-p' || arg === '--port');
  const port = Number(at >= 0 ? args[at + 1] : (args.map((arg) => /^(?:-p|--port=)(\d+)$/.exec(arg)?.[1]).find(Boolean) ?? 11_211));
  const cache = new Cache(proc);
  proc.net.listen({ ip: '', port }, (conn) => {
    cache.count('total_connections');
    cache.count('curr_connections');
    converse(cache, conn)
      .catch((error: unknown) => {
        if (!(error instanceof NetError || error instanceof ProcessEnded)) throw error;
      })
      .finally(() => {
        cache.count('curr_connections', -1);
        conn.close();
      });
  });
  return new Promise((resolve) => {
    for (const signal of [signals.TERM, signals.INT]) proc.onSignal(signal, () => resolve(0));
  });
};

export const memcached: ImageDefinition = {
  names: ['memcached', 'bitnami/memcached', 'public.ecr.aws/docker/library/memcached'],
  cmd: ['memcached'],
  user: '11211:11211',
  programs: { '/usr/local/bin/memcached': memcachedServer },
  sizeBytes: 32_000_000,
  memoryBytes: 3 * 1024 * 1024,
};
