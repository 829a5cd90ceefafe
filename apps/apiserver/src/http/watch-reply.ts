import { type Status, toStatusError } from '@orrery/errors';
import type { ByteSink, RawSocket } from '@orrery/node-io/http-server';
import type { Frame } from '../cache/frame.ts';
import type { WatchMeter } from '../metrics/registry-meters.ts';
import type { Registry, RequestScope } from '../registry/registry.ts';
import { type WatchHandle, type WatchOptions, watch } from '../registry/watch.ts';
import type { Exchange } from './exchange.ts';
import type { StreamForm } from './stream-form.ts';
import { messageForm, openWatchSocket } from './watch-socket.ts';

/** Bytes a slow client may owe before its watch is ended; it resumes from its last revision. */
const maxBacklogBytes = 32 * 1024 * 1024;

/** What a writer tells of itself; each is told once and ends the watch. */
interface WriterEvents {
  /** The client takes too little. */
  overflow(): void;
  /** An event has no form: what is stored is no such object. */
  unwritable(error: unknown): void;
}

/** Writes watch events as they come; what the client does not take yet waits here, up to a bound. */
class WatchWriter {
  private readonly form: StreamForm;
  private readonly told: WriterEvents;
  private sink: ByteSink | undefined;
  private backlog: Buffer[] = [];
  private backlogBytes = 0;
  private blocked = true;
  private ending = false;
  private broken = false;
  private readonly meter: WatchMeter;

  constructor(form: StreamForm, meter: WatchMeter, told: WriterEvents) {
    this.form = form;
    this.meter = meter;
    this.told = told;
  }

  /** Begins to send; until then events wait. */
  open(sink: ByteSink): void {
    this.sink = sink;
    this.blocked = false;
    this.flush();
  }

  /** Must not throw: whoever watches the same is told in the same breath. */
  frames(batch: readonly Frame[]): void {
    if (this.broken) return;
    let bytes: Buffer;
    try {
      bytes = this.form.events(batch);
    } catch (error) {
      this.broken = true;
      this.told.unwritable(error);
      return;
    }
    this.meter.sent(batch.length, bytes.length);
    this.write(bytes);
  }

  write(bytes: Buffer): void {
    if (!this.blocked && this.sink) {
      if (!this.sink.write(bytes)) this.pause();
      return;
    }
    this.backlog.push(bytes);
    this.backlogBytes += bytes.length;
    if (this.sink && this.backlogBytes > maxBacklogBytes) this.told.overflow();
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

/**
 * Serves a watch until it ends. A watch that cannot begin because its revision is gone answers 200 with an ERROR event, as
 * upstream does; other failures are ordinary replies. With a socket the events are messages of a WebSocket.
 */
export async function serveWatch(
  registry: Registry,
  scope: RequestScope,
  request: { exchange: Exchange; options: WatchOptions; form: StreamForm; socket?: RawSocket | undefined },
): Promise<void> {
  const { exchange, socket } = request;
  const form = socket ? messageForm(request.form) : request.form;
  let handle: WatchHandle | undefined;
  const writer = new WatchWriter(form, registry.meters.watch(scope.kind), {
    overflow() {
      registry.meters.terminated(scope.kind);
      handle?.stop();
      finish();
    },
    unwritable(error) {
      handle?.stop();
      closed(toStatusError(error));
    },
  });
  let finish: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (finish = resolve));
  const closed = (error?: { status: Status }): void => {
    if (error) writer.write(form.failure(error.status));
    finish();
  };
  const open = async (): Promise<void> => {
    exchange.code = socket ? 101 : 200;
    exchange.audit?.started(exchange.code);
    writer.open(socket ? await openWatchSocket(exchange, socket, () => finish()) : exchange.response.stream(200, exchange.headers(form.contentType)));
  };
  try {
    handle = await watch(registry, scope, request.options, { frames: (batch) => writer.frames(batch), closed });
  } catch (error) {
    const failure = toStatusError(error);
    if (failure.code !== 410) throw failure;
    await open();
    writer.write(form.failure(failure.status));
    writer.end();
    return;
  }
  const { signal } = exchange;
  const gone = (): void => finish();
  try {
    await open();
    if (signal.aborted) finish();
    else signal.addEventListener('abort', gone, { once: true });
    await over;
  } finally {
    signal.removeEventListener('abort', gone);
    handle.stop();
    writer.end();
  }
}
