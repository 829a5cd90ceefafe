import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Container logs in real files, for an emulated runtime whose kubelet is another process. */
export interface FileLogSink {
  create(path: string): void;
  append(path: string, lines: string | Uint8Array): void;
  reopen(path: string): void;
  /** Closes the files. */
  close(): void;
}

/** As many logs are kept open; the one that was written least recently is closed. */
const maxOpen = 512;

/** `locate` tells where a log of the node lies on this machine. */
export function fileLogSink(locate: (path: string) => string = (path) => path): FileLogSink {
  /** In order of use. */
  const files = new Map<string, number>();
  const forget = (path: string): void => {
    const fd = files.get(path);
    if (fd === undefined) return;
    files.delete(path);
    closeSync(fd);
  };
  const open = (path: string): number => {
    const known = files.get(path);
    if (known !== undefined) {
      files.delete(path);
      files.set(path, known);
      return known;
    }
    const real = locate(path);
    mkdirSync(dirname(real), { recursive: true });
    const fd = openSync(real, 'a', 0o640);
    files.set(path, fd);
    if (files.size > maxOpen) forget(files.keys().next().value as string);
    return fd;
  };
  return {
    create: (path) => void open(path),
    append(path, lines) {
      const bytes = typeof lines === 'string' ? Buffer.from(lines) : lines;
      const fd = open(path);
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    },
    reopen(path) {
      forget(path);
      open(path);
    },
    close() {
      for (const path of [...files.keys()]) forget(path);
    },
  };
}
