/** What workers are told to do and what they tell; everything passes between processes as JSON. */
export type Task =
  /** Creates Pods PREFIX-0, PREFIX-1 … until the time is over or `count` are made. */
  | { readonly op: 'create'; readonly namespace: string; readonly prefix: string; readonly inFlight: number; readonly seconds: number; readonly count?: number }
  | { readonly op: 'get'; readonly namespace: string; readonly name: string; readonly inFlight: number; readonly seconds: number }
  | { readonly op: 'list'; readonly namespace: string; readonly accept: string; readonly times: number }
  /** Server-side apply, each to an object of its own that exists after the first time. */
  | { readonly op: 'apply'; readonly namespace: string; readonly prefix: string; readonly inFlight: number; readonly seconds: number }
  /** Opens watches and answers; they count until `watched`. */
  | { readonly op: 'watch'; readonly namespace: string; readonly watchers: number; readonly perConnection: number }
  /** Resolves when the open watches have had `events` each; with the lags of those that carry a time. */
  | { readonly op: 'watched'; readonly events: number; readonly timeoutSeconds: number }
  | { readonly op: 'unwatch' }
  /** Changes ConfigMaps over and over; `perSecond` 0: as fast as it goes. */
  | { readonly op: 'change'; readonly namespace: string; readonly count: number; readonly inFlight: number; readonly perSecond: number };

export interface Outcome {
  /** Requests answered, or events received. */
  readonly done: number;
  /** Of the work alone. */
  readonly seconds: number;
  readonly bytes: number;
  /** Milliseconds: latencies of requests, or lags of events. */
  readonly times: readonly number[];
  /** When the last of the work was done, by this machine's clock in milliseconds. */
  readonly finishedMs: number;
}
