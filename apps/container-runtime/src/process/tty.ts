import { type OpenFile, openFile } from './open-file.ts';
import { ByteQueue, WaitList } from './pipe.ts';

const key = { interrupt: 3, endOfFile: 4, backspace: 8, newline: 10, killLine: 21, killWord: 23, carriageReturn: 13, escape: 27, quit: 28, erase: 127 };

export interface WindowSize {
  columns: number;
  rows: number;
}

/**
 * A terminal with the line discipline of a fresh pty: canonical input with echo and erase, ^C and ^\ as signals, ^D as
 * end of file, newlines shown as CR LF. One end belongs to the client of exec or attach, the other to the processes.
 */
export class Tty {
  /** What the processes hold as stdin, stdout and stderr. */
  readonly slave: OpenFile;
  size: WindowSize = { columns: 80, rows: 24 };
  /** Told of ^C and ^\ (signal numbers 2 and 3) and of size changes (28). */
  onSignal: ((signal: number) => void) | undefined;
  private line: number[] = [];
  private readonly input = new ByteQueue();
  private readonly readable = new WaitList();
  private endOfFile = 0;
  private hungUp = false;
  private escape = false;
  private readonly output: (bytes: Uint8Array) => Promise<void> | void;

  constructor(output: (bytes: Uint8Array) => Promise<void> | void) {
    this.output = output;
    this.slave = openFile({
      isTty: true,
      description: '/dev/pts/0',
      read: (max, signal) => this.take(max, signal),
      write: (bytes) => this.output(this.cooked(bytes)),
    });
  }

  /** Bytes typed by the client. */
  type(bytes: Uint8Array): void {
    for (const byte of bytes) this.key(byte);
  }

  /** The client is gone: readers see the end. */
  hangUp(): void {
    this.hungUp = true;
    this.readable.wakeAll();
    this.onSignal?.(1);
  }

  /** The client's stdin ended: as if ^D were typed. */
  endInput(): void {
    this.key(key.endOfFile);
  }

  resize(size: WindowSize): void {
    this.size = size;
    this.onSignal?.(28);
  }

  private echo(text: string): void {
    void this.output(Buffer.from(text));
  }

  private key(byte: number): void {
    if (this.escape) {
      // Arrow and function keys: there is no line editor, so the whole sequence is dropped.
      if (byte >= 64 && byte !== 91) this.escape = false;
      return;
    }
    switch (byte) {
      case key.interrupt:
      case key.quit:
        this.line = [];
        this.echo(byte === key.interrupt ? '^C\r\n' : '^\\\r\n');
        this.onSignal?.(byte === key.interrupt ? 2 : 3);
        return;
      case key.endOfFile:
        if (this.line.length) this.submit();
        else this.endOfFile++;
        this.readable.wakeAll();
        return;
      case key.backspace:
      case key.erase:
        this.eraseOne();
        return;
      case key.killLine:
        while (this.line.length) this.eraseOne();
        return;
      case key.killWord:
        while (this.line.at(-1) === 32) this.eraseOne();
        while (this.line.length && this.line.at(-1) !== 32) this.eraseOne();
        return;
      case key.escape:
        this.escape = true;
        return;
      case key.newline:
      case key.carriageReturn:
        this.line.push(key.newline);
        this.echo('\r\n');
        this.submit();
        return;
      default:
        this.line.push(byte);
        void this.output(Uint8Array.of(byte));
    }
  }

  private eraseOne(): void {
    // A character may be several UTF-8 bytes; continuation bytes go with their start.
    let last = this.line.pop();
    if (last === undefined) return;
    while (last !== undefined && (last & 0xc0) === 0x80) last = this.line.pop();
    this.echo('\b \b');
  }

  private submit(): void {
    this.input.push(Uint8Array.from(this.line));
    this.line = [];
    this.readable.wakeAll();
  }

  private async take(max: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    for (;;) {
      const bytes = this.input.take(max);
      if (bytes) return bytes;
      if (this.hungUp) return undefined;
      if (this.endOfFile) {
        this.endOfFile--;
        return undefined;
      }
      await this.readable.wait(signal);
    }
  }

  private cooked(bytes: Uint8Array): Uint8Array {
    if (!bytes.includes(10)) return bytes;
    const out: number[] = [];
    bytes.forEach((byte, i) => {
      if (byte === 10 && bytes[i - 1] !== 13) out.push(13);
      out.push(byte);
    });
    return Uint8Array.from(out);
  }
}
