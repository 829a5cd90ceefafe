/** One message; `headers` keys are lower-case. */
export interface BusMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface BusSubscription {
  unsubscribe(): void;
}

/**
 * Publish and subscribe with NATS subjects (`feed.core.pods.node-1`, `*` one token, `>` the rest). At most once: a
 * message may be lost when the bus or a subscriber is away, so users of the bus check sequence numbers and resume
 * from the API server.
 */
export interface Bus {
  publish(subject: string, payload: Uint8Array, headers?: Readonly<Record<string, string>>): void;
  /** Messages of one publisher to one subject arrive in order. The handler must not throw. */
  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription;
  connected(): boolean;
  /** Bytes of payload and headers that one message may have; what is bigger is not delivered. */
  maxPayload(): number;
  /** Called with true on (re)connect and false on loss. */
  onConnection(listener: (connected: boolean) => void): BusSubscription;
  close(): Promise<void>;
}
