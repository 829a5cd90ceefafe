import type { ByteSink, HttpHeaders, HttpResponse } from '@orrery/node-io/http-server';

/** A reply that knows what was sent: the first status counts, whatever comes after the reply was given up is dropped. */
export class TrackedResponse implements HttpResponse {
  /** Status code that was sent; 0 until then. */
  status = 0;
  /** Bytes of a body that was sent whole. */
  bytes = 0;
  /** Called when the reply begins. */
  onBegin: (() => void) | undefined;
  private readonly inner: HttpResponse;

  constructor(inner: HttpResponse) {
    this.inner = inner;
  }

  send(status: number, headers: HttpHeaders, body: Uint8Array | string = ''): void {
    if (this.status) return;
    this.begin(status);
    this.bytes = body.length;
    this.inner.send(status, headers, body);
  }

  stream(status: number, headers: HttpHeaders): ByteSink {
    if (this.status) return closedSink;
    this.begin(status);
    return this.inner.stream(status, headers);
  }

  gzip(body: Uint8Array): Promise<Buffer> {
    return this.inner.gzip(body);
  }

  retire(): void {
    this.inner.retire?.();
  }

  private begin(status: number): void {
    this.status = status;
    this.onBegin?.();
    this.onBegin = undefined;
  }
}

const closedSink: ByteSink = { write: () => true, drained: () => Promise.resolve(), end: () => undefined, closed: true };
