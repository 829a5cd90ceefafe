import { Code, RpcError } from '@orrery/rpc';

/** Where the cloud keeps what it must not forget: a file, or memory. */
export interface CloudState {
  /** All that was kept; undefined before anything was. */
  load(): Promise<string | undefined>;
  /** Resolves once the text is on disk behind what was there. */
  append(text: string): Promise<void>;
  /** Puts the text in the place of all that was there, as a whole or not at all. */
  replace(text: string): Promise<void>;
}

/** Things of one sort by their key. */
export interface Table<T> {
  get(key: string): T | undefined;
  values(): IterableIterator<T>;
  put(key: string, value: T): void;
  delete(key: string): void;
  readonly size: number;
}

/** All tables of the cloud. A change is in memory at once and on disk when `flush` has resolved: await it before answering. */
export interface Ledger {
  table<T>(name: string): Table<T>;
  /** Reads what is kept. Throws an Error for what this build does not understand. */
  load(): Promise<void>;
  flush(): Promise<void>;
}

interface Line {
  /** Table, key, and value; null when deleted. */
  readonly t: string;
  readonly k: string;
  readonly v: unknown;
}

const head = '{"orreryCloud":2}';
/** Lines that say nothing any more are tolerated up to this. */
const spareLines = 2000;

/** What the first version kept: one JSON text with the balancers. */
function linesOfVersion1(text: string): Line[] {
  const { version, loadBalancers = [] } = JSON.parse(text) as { version: number; loadBalancers?: { name: string }[] };
  if (version !== 1) throw new Error(`the cloud's state has version ${String(version)}, which this build does not know`);
  return loadBalancers.map((balancer) => ({ t: 'load-balancers', k: balancer.name, v: balancer }));
}

function parseLines(text: string): Line[] {
  const [first, ...rest] = text.split('\n');
  if (first !== head) return linesOfVersion1(text);
  // What was being written when the process was killed has no end of line.
  const torn = rest.pop();
  if (torn === undefined) return [];
  return rest.map((line, i) => {
    try {
      return JSON.parse(line) as Line;
    } catch {
      throw new Error(`the cloud's state is damaged in line ${i + 2}`);
    }
  });
}

/** Tables in memory, each change a line of a journal, which is written anew when most of it is history. */
export function createLedger(state: CloudState | undefined): Ledger {
  const tables = new Map<string, Map<string, unknown>>();
  let pending: string[] = [];
  let written = 0;
  /** The file may lack something of memory, or end in half a line. */
  let stale = true;
  /** A write failed: memory has what is not on disk, so nothing may be answered before the next has succeeded. */
  let unkept = false;
  let writing: Promise<void> | undefined;
  const rows = (name: string): Map<string, unknown> => {
    const known = tables.get(name) ?? new Map<string, unknown>();
    tables.set(name, known);
    return known;
  };
  const lineOf = (t: string, k: string, v: unknown): string => `${JSON.stringify({ t, k, v } satisfies Line)}\n`;
  const live = (): number => [...tables.values()].reduce((sum, map) => sum + map.size, 0);
  const note = (t: string, k: string, v: unknown): void => {
    if (state) pending.push(lineOf(t, k, v));
  };
  const write = async (into: CloudState): Promise<void> => {
    // One write takes all that has come by then.
    await Promise.resolve();
    const batch = pending;
    pending = [];
    if (!batch.length && !unkept) return;
    unkept = true;
    if (!stale && written + batch.length <= live() * 2 + spareLines) {
      stale = true;
      await into.append(batch.join(''));
      written += batch.length;
    } else {
      stale = true;
      const all = [...tables].flatMap(([name, map]) => [...map].map(([key, value]) => lineOf(name, key, value)));
      await into.replace(`${head}\n${all.join('')}`);
      written = all.length;
    }
    stale = false;
    unkept = false;
  };
  const flush = async (): Promise<void> => {
    while (state && (pending.length || unkept)) {
      writing ??= write(state).finally(() => (writing = undefined));
      try {
        await writing;
      } catch (error) {
        throw new RpcError(Code.UNAVAILABLE, `the cloud cannot keep its state: ${(error as Error).message}`);
      }
    }
  };
  return {
    table: <T>(name: string): Table<T> => {
      const map = rows(name) as Map<string, T>;
      return {
        get: (key) => map.get(key),
        values: () => map.values(),
        put(key, value) {
          map.set(key, value);
          note(name, key, value);
        },
        delete(key) {
          if (map.delete(key)) note(name, key, null);
        },
        get size() {
          return map.size;
        },
      };
    },
    async load() {
      const text = await state?.load();
      if (!text) return;
      const lines = parseLines(text);
      for (const { t, k, v } of lines) {
        if (v === null) rows(t).delete(k);
        else rows(t).set(k, v);
      }
    },
    flush,
  };
}
