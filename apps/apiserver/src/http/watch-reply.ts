import { type Status, toStatusError } from '@orrery/errors';
import type { ByteSink } from '@orrery/node-io/http-server';
import type { Frame } from '../cache/frame.ts';
import type { Registry, RequestScope } from '../registry/registry.ts';
import { type WatchHandle, type WatchOptions, watch } from '../registry/watch.ts';
import type { Exchange } from './exchange.ts';

/** Bytes a slow client may owe before its watch is ended; it resumes from its last revision. */
const maxBacklogBytes = 32 * 1024 * 1024;

/** How one event becomes a line. The default is the line shared by all watchers. */
export type LineOf = (frame: Frame) => Buffer;

const sharedLine: LineOf = (frame) => frame.line;

/** Writes watch events as they come; what the client does not take yet waits here, up to a bound. */
class WatchWriter {
  private readonly lineOf: LineOf;
  private readonly overflow: () => void;
  private sink: ByteSink | undefined;
  private backlog: Buffer[] = [];
  private backlogBytes = 0;
  private blocked = true;
  private ending = false;

  constructor(lineOf: LineOf, overflow: () => void) {
    this.lineOf = lineOf;
    this.overflow = overflow;
  }

  /** Begins to send; until then events wait. */
  open(sink: ByteSink): void {
    this.sink = sink;
    this.blocked = false;
    this.flush();
  }

  frames(batch: readonly Frame[]): void {
    const lines = batch.length === 1 ? this.lineOf(batch[0] as Frame) : Buffer.concat(batch.map(this.lineOf));
    this.write(lines);
  }

  write(bytes: Buffer): void {
    if (!this.blocked && this.sink) {
      if (!this.sink.write(bytes)) this.pause();
      return;
    }
    this.backlog.push(bytes);
    this.backlogBytes += bytes.length;
    if (this.sink && this.backlogBytes > maxBacklogBytes) this.overflow();
  }

  end(): void {
    this.ending = true;
    if (!this.blocked) this.sink?.end();
  }

  private pause(): void {
    this.blocked = true;
    void this.sink?.drained().then(() => {
      this.blocked = false;
      this.flush();
    });
  }

  private flush(): void {
    const waiting = this.backlog;
    this.backlog = [];
    this.backlogBytes = 0;
    if (waiting.length && this.sink && !this.sink.write(Buffer.concat(waiting))) this.pause();
    else if (this.ending) this.sink?.end();
  }
}

function errorLine(status: Status): Buffer {
  return Buffer.from(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
}

/**
 * Serves a watch until it ends. A watch that cannot begin because its revision is gone answers 200 with an ERROR event, as
 * upstream does; other failures are ordinary replies.
 */
export async function serveWatch(
  registry: Registry,
  scope: RequestScope,
  request: { exchange: Exchange; options: WatchOptions; contentType: string; lineOf?: LineOf },
): Promise<void> {
  const { exchange } = request;
  let handle: WatchHandle | undefined;
  const writer = new WatchWriter(request.lineOf ?? sharedLine, () => {
    handle?.stop();
    finish();
  });
  let finish: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (finish = resolve));
  const closed = (error?: { status: Status }): void => {
    if (error) writer.write(errorLine(error.status));
    finish();
  };
  const open = (): void => {
    exchange.code = 200;
    writer.open(exchange.response.stream(200, exchange.headers(request.contentType)));
  };
  try {
    handle = await watch(registry, scope, request.options, { frames: (batch) => writer.frames(batch), closed });
  } catch (error) {
    const failure = toStatusError(error);
    if (failure.code !== 410) throw failure;
    open();
    writer.write(errorLine(failure.status));
    writer.end();
    return;
  }
  open();
  const { signal } = exchange.request;
  const gone = (): void => finish();
  if (signal.aborted) finish();
  else signal.addEventListener('abort', gone, { once: true });
  await over;
  signal.removeEventListener('abort', gone);
  handle.stop();
  writer.end();
}
