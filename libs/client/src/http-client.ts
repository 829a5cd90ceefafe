export interface HttpClientRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal;
  /** True for answers that go on for long: they do not use up the connections of ordinary requests. */
  readonly streaming?: boolean;
}

export interface HttpClientResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The whole body. */
  text(): Promise<string>;
  /** The body as it arrives. Use either this or `text`. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** One HTTP server, over kept connections. `request` rejects when the server cannot be reached or the connection breaks. */
export interface HttpClient {
  request(request: HttpClientRequest): Promise<HttpClientResponse>;
  close(): void;
}
