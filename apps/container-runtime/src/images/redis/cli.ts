import { type Conn, NetError } from '@orrery/vnet';
import { ResolveError } from '../../net/resolver.ts';
import { lines } from '../../process/files.ts';
import { ProcessEnded, type Proc, type Program } from '../../process/proc.ts';
import { type Reply, RespBuffer, encodeReply, isList, splitWords } from './resp.ts';

interface Settings {
  host: string;
  port: number;
  password: string | undefined;
  user: string | undefined;
  db: string;
  /** Replies as they are, for machines. */
  raw: boolean;
  failOnError: boolean;
  repeat: number;
  intervalMs: number;
  /** The last argument comes from stdin. */
  stdinArgument: boolean;
}

/** As redis-cli shows strings on a terminal. */
function quoted(text: string): string {
  const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\x07': '\\a', '\b': '\\b', '"': '\\"', '\\': '\\\\' };
  return `"${[...text].map((c) => escapes[c] ?? (c >= ' ' && c <= '~' ? c : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)).join('')}"`;
}

/** The text of a reply, one line or more. */
export function showReply(reply: Reply, raw: boolean, indent = ''): string {
  if (reply === null) return raw ? '\n' : '(nil)\n';
  if (typeof reply === 'number') return raw ? `${reply}\n` : `(integer) ${reply}\n`;
  if (typeof reply === 'string') return raw ? `${reply}\n` : `${quoted(reply)}\n`;
  if (!isList(reply)) {
    if ('ok' in reply) return `${reply.ok}\n`;
    if ('error' in reply) return raw ? `${reply.error}\n\n` : `(error) ${reply.error}\n`;
    return raw ? '\n' : '(nil)\n';
  }
  if (!reply.length) return raw ? '\n' : '(empty array)\n';
  const width = String(reply.length).length;
  return reply.map((item, i) => (raw ? showReply(item, true) : `${i ? indent : ''}${String(i + 1).padStart(width)}) ${showReply(item, false, `${indent}${' '.repeat(width + 2)}`)}`)).join('');
}

class Client {
  readonly proc: Proc;
  private readonly conn: Conn;
  private readonly buffer = new RespBuffer();

  constructor(proc: Proc, conn: Conn) {
    this.proc = proc;
    this.conn = conn;
  }

  /** The next reply; undefined when the server closed the connection. */
  async next(): Promise<Reply | undefined> {
    for (;;) {
      const reply = this.buffer.takeReply();
      if (reply !== undefined) return reply;
      const bytes = await this.proc.until(this.conn.read());
      if (!bytes) return undefined;
      this.buffer.push(bytes);
    }
  }

  async ask(words: readonly string[]): Promise<Reply | undefined> {
    await this.conn.write(Buffer.from(encodeReply(words), 'latin1'));
    return this.next();
  }
}

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

async function run(client: Client, words: readonly string[], settings: Settings): Promise<number> {
  const { proc } = client;
  const bytes = words.map(latin1);
  const isInfo = /^(?:info|client|lolwut)$/i.test(words[0] ?? '');
  const listens = /^p?subscribe$/i.test(words[0] ?? '');
  for (let reply = await client.ask(bytes), left = words.length - 1; ; reply = await client.next()) {
    if (reply === undefined) {
      if (/^(?:quit|shutdown)$/i.test(words[0] ?? '')) return 0;
      await proc.err('Error: Server closed the connection\n');
      return 1;
    }
    const text = isInfo && typeof reply === 'string' ? `${reply}${settings.raw ? '\n' : ''}` : showReply(reply, settings.raw);
    await proc.out(Buffer.from(text, 'latin1'));
    const failed = typeof reply === 'object' && reply !== null && 'error' in reply;
    if (failed || (!listens && left >= 0)) return failed && settings.failOnError ? 1 : 0;
  }
}

function parseSettings(proc: Proc, args: string[]): Settings | { problem: string } {
  const settings: Settings = { host: '127.0.0.1', port: 6379, password: proc.env.get('REDISCLI_AUTH'), user: undefined, db: '0', raw: !(proc.fds.get(1)?.isTty ?? false), failOnError: false, repeat: 1, intervalMs: 0, stdinArgument: false };
  while (args[0]?.startsWith('-') && args[0] !== '-') {
    const option = args.shift() ?? '';
    if (option === '-h') settings.host = args.shift() ?? '';
    else if (option === '-p') settings.port = Number(args.shift());
    else if (option === '-a' || option === '--pass') settings.password = args.shift();
    else if (option === '--user') settings.user = args.shift();
    else if (option === '-n') settings.db = args.shift() ?? '0';
    else if (option === '-r') settings.repeat = Number(args.shift());
    else if (option === '-i') settings.intervalMs = Number(args.shift()) * 1000;
    else if (option === '-t') args.shift();
    else if (option === '-e') settings.failOnError = true;
    else if (option === '-x') settings.stdinArgument = true;
    else if (option === '--raw') settings.raw = true;
    else if (option === '--no-raw') settings.raw = false;
    else if (option === '-u') {
      const url = URL.parse(args.shift() ?? '');
      if (url?.protocol !== 'redis:') return { problem: 'Invalid URI scheme' };
      Object.assign(settings, { host: url.hostname || '127.0.0.1', port: Number(url.port || 6379), db: url.pathname.slice(1) || '0', ...(url.password ? { password: decodeURIComponent(url.password) } : {}), ...(url.username ? { user: decodeURIComponent(url.username) } : {}) });
    } else if (option !== '--no-auth-warning' && option !== '-2') return { problem: `Unrecognized option or bad number of args for: '${option}'` };
  }
  return settings;
}

async function interactive(client: Client, settings: Settings): Promise<number> {
  const { proc } = client;
  const stdin = proc.fds.get(0);
  if (!stdin) return 0;
  const prompt = `${settings.host}:${settings.port}> `;
  let status = 0;
  if (stdin.isTty) await proc.out(prompt);
  for await (const { text } of lines(proc, stdin)) {
    const words = splitWords(text);
    if (!words) await proc.out('Invalid argument(s)\n');
    else if (words[0] === 'quit' || words[0] === 'exit') return 0;
    else if (words.length) status = await run(client, words, settings);
    if (stdin.isTty) await proc.out(prompt);
  }
  return status;
}

async function connect(proc: Proc, settings: Settings): Promise<Client> {
  const [ip = ''] = await proc.net.lookup(settings.host);
  const client = new Client(proc, await proc.net.dial({ ip, port: settings.port }));
  if (settings.password !== undefined) {
    const reply = await client.ask(['AUTH', ...(settings.user === undefined ? [] : [settings.user]), settings.password].map(latin1));
    if (typeof reply === 'object' && reply !== null && 'error' in reply) await proc.err(`AUTH failed: ${reply.error}\n`);
  }
  if (settings.db !== '0') await client.ask(['SELECT', settings.db]);
  return client;
}

async function standardInput(proc: Proc): Promise<string> {
  const chunks: Uint8Array[] = [];
  for (let bytes = await proc.read(); bytes; bytes = await proc.read()) chunks.push(bytes);
  return Buffer.concat(chunks).toString();
}

/** redis-cli: one command from its arguments, or commands from its stdin. */
export const redisCli: Program = async (proc) => {
  const args = [...proc.argv.slice(1)];
  if (args[0] === '--version' || args[0] === '-v') {
    await proc.out('redis-cli 7.4.2\n');
    return 0;
  }
  const settings = parseSettings(proc, args);
  if ('problem' in settings) {
    await proc.err(`${settings.problem}\n`);
    return 1;
  }
  if (settings.password !== undefined && proc.argv.some((arg) => arg === '-a' || arg === '--pass') && !proc.argv.includes('--no-auth-warning')) await proc.err("Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.\n");
  try {
    const client = await connect(proc, settings);
    if (!args.length) return await interactive(client, settings);
    const words = settings.stdinArgument ? [...args, await standardInput(proc)] : args;
    let status = 0;
    for (let i = 0; settings.repeat < 0 || i < settings.repeat; i++) {
      if (i) await proc.sleep(settings.intervalMs);
      status = await run(client, words, settings);
    }
    return status;
  } catch (error) {
    if (error instanceof ProcessEnded || !(error instanceof NetError || error instanceof ResolveError)) throw error;
    const why = error instanceof ResolveError ? (error.kind === 'not found' ? 'Name or service not known' : 'Temporary failure in name resolution') : ({ ECONNREFUSED: 'Connection refused', ETIMEDOUT: 'Connection timed out', EHOSTUNREACH: 'No route to host', ECONNRESET: 'Connection reset by peer' } as Readonly<Record<string, string>>)[error.code] ?? error.message;
    await proc.err(`Could not connect to Redis at ${settings.host}:${settings.port}: ${why}\n`);
    return 1;
  }
};
