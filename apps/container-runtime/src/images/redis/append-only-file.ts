import type { FileRef } from '../../fs/tree.ts';
import type { Proc } from '../../process/proc.ts';
import { RespBuffer, encodeReply } from './resp.ts';
import type { Database } from './store.ts';

const manifest = 'appendonly.aof.manifest';
const segment = 'appendonly.aof.1.incr.aof';

/** Commands whose times are relative: the file holds what they came to. */
const timed = new Set(['SET', 'SETEX', 'PSETEX', 'GETSET', 'EXPIRE', 'PEXPIRE', 'EXPIREAT', 'PEXPIREAT']);

/** The log of changes that survives restarts, in Redis's own format: commands in RESP and a manifest. */
export class AppendOnlyFile {
  private readonly file: FileRef;
  private db: number | undefined;

  /** Throws FsError when the directory cannot be written. */
  constructor(proc: Proc, dir: string) {
    const directory = `${proc.path(dir)}/appendonlydir`;
    proc.fs.makeDirs(directory);
    if (!proc.fs.exists(`${directory}/${manifest}`)) proc.fs.writeFile(`${directory}/${manifest}`, `file ${segment} seq 1 type i\n`);
    this.file = proc.fs.open(`${directory}/${segment}`, { read: true, write: true, create: 0o644 });
  }

  /** The commands of the file, in order; a torn end is left out and cut off. Throws RedisError when it is no log. */
  load(): readonly (readonly string[])[] {
    const buffer = new RespBuffer();
    buffer.push(this.file.read());
    const commands: (readonly string[])[] = [];
    let size = 0;
    for (let words = buffer.takeCommand(); words !== undefined; words = buffer.takeCommand()) {
      commands.push(words);
      size += encodeReply(words).length;
    }
    if (size < this.file.size()) this.file.write(this.file.read().slice(0, size));
    return commands;
  }

  append(db: Database, index: number, words: readonly string[]): void {
    const lines: (readonly string[])[] = this.db === index ? [] : [['SELECT', String(index)]];
    this.db = index;
    const [name = '', key = ''] = words;
    if (timed.has(name)) lines.push(...current(db, key));
    else lines.push(words);
    this.file.append(Buffer.from(lines.map(encodeReply).join(''), 'latin1'));
  }
}

/** The commands that make a key what it is now, as far as strings and times go. */
function current(db: Database, key: string): (readonly string[])[] {
  const type = db.typeOf(key);
  if (type === undefined) return [['DEL', key]];
  const at = db.expiresAt(key);
  const value: (readonly string[])[] = type === 'string' ? [['SET', key, db.get(key, 'string') ?? '']] : [];
  return [...value, at === undefined ? ['PERSIST', key] : ['PEXPIREAT', key, String(at)]];
}
