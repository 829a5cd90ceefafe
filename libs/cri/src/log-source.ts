/** Which bytes of a log there are. */
export interface LogExtent {
  readonly start: number;
  readonly end: number;
  /** Changes when another file takes the log's place (it was rotated); absent where that cannot be. */
  readonly file?: string;
}

/**
 * Where the kubelet reads container logs from: the files at `PodSandboxConfig.log_directory` + `ContainerConfig.log_path`
 * that the runtime writes in the CRI format, one line `<RFC 3339 with nanoseconds> <stdout|stderr> <F|P> <text>\n` a
 * write, P for a part of a longer line. Real files (`fileLogSource`) or `MemoryLogs`, one a node, shared with an
 * emulated runtime in the same process, which appends with `MemoryLogs.append`.
 */
export interface LogSource {
  /** Offsets of the first byte that is kept (0 unless old lines were dropped) and behind the last; undefined: no such log. */
  extent(path: string): Promise<LogExtent | undefined>;
  /** Bytes from `offset` (not before the extent's start), at most `length`; empty at the end or when the log is gone. */
  read(path: string, offset: number, length: number): Promise<Uint8Array>;
  /** Calls `changed` after the log grew, was truncated or removed. Returns what ends the watch. */
  watch(path: string, changed: () => void): () => void;
  /** Removes the log, with what was rotated of it, or, given a directory, all logs below it. */
  remove(path: string): Promise<void>;
  /** Names in a directory of logs, for those that are no files of the node; empty when there is none. */
  list?(path: string): Promise<string[]>;
  /**
   * Moves the log aside (`PATH.STAMP`), so that its writer begins a new one when it is told to open it again; at most `maxFiles` are kept, the new
   * one included, all but the latest moved one compressed (`.gz`). Absent where logs bound themselves.
   */
  rotate?(path: string, options: { readonly maxFiles: number; readonly stamp: string }): Promise<void>;
  /** Undoes the last rotation of a log whose writer could not be told. */
  unrotate?(path: string, stamp: string): Promise<void>;
  /** Puts a symbolic link to a log at `path`, as collectors look for them; absent where logs are shown with their links (`MemoryLogs`). */
  link?(path: string, log: string): Promise<void>;
  /** Removes the links in a directory that lead to `log` or, given a directory, to what is below it. */
  unlink?(directory: string, log: string): Promise<void>;
  /** Where the log's latest past lies that is not compressed: what was written just before it was rotated. */
  rotated?(path: string): Promise<string | undefined>;
}

/** One line in the CRI log format. `timeNs` is nanoseconds since the epoch. */
export function criLogLine(line: { timeNs: bigint; stream: 'stdout' | 'stderr'; text: string; partial?: boolean }): string {
  const seconds = new Date(Number(line.timeNs / 1_000_000n)).toISOString().slice(0, 19);
  const nanos = (line.timeNs % 1_000_000_000n).toString().padStart(9, '0');
  return `${seconds}.${nanos}Z ${line.stream} ${line.partial ? 'P' : 'F'} ${line.text}\n`;
}
