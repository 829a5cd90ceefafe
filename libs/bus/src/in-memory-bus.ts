import type { Bus, BusMessage, BusSubscription } from './bus.ts';
import { subjectMatches } from './subject.ts';

interface Subscriber {
  readonly pattern: string;
  readonly handler: (message: BusMessage) => void;
  active: boolean;
}

export interface InMemoryBus extends Bus {
  /** Plays the loss of the bus: what is published meanwhile is lost, and listeners are told. */
  setConnected(connected: boolean): void;
}

/** A bus within one process. Delivery is asynchronous, in order, and by reference. */
export function createInMemoryBus(): InMemoryBus {
  const exact = new Map<string, Set<Subscriber>>();
  const wild = new Set<Subscriber>();
  const listeners = new Set<(connected: boolean) => void>();
  let up = true;
  let queue: { to: Subscriber; message: BusMessage }[] = [];

  const drain = (): void => {
    const batch = queue;
    queue = [];
    for (const { to, message } of batch) if (to.active) to.handler(message);
  };
  const post = (to: Subscriber, message: BusMessage): void => {
    if (queue.length === 0) queueMicrotask(drain);
    queue.push({ to, message });
  };
  return {
    publish(subject, payload, headers = {}) {
      if (!up) return;
      const message = { subject, payload, headers };
      for (const to of exact.get(subject) ?? []) post(to, message);
      for (const to of wild) if (subjectMatches(to.pattern, subject)) post(to, message);
    },
    subscribe(pattern, handler): BusSubscription {
      const subscriber: Subscriber = { pattern, handler, active: true };
      const isWild = pattern.split('.').some((token) => token === '*' || token === '>');
      let home = isWild ? wild : exact.get(pattern);
      if (!home) exact.set(pattern, (home = new Set()));
      const at = home;
      at.add(subscriber);
      return {
        unsubscribe() {
          subscriber.active = false;
          at.delete(subscriber);
          if (!isWild && at.size === 0 && exact.get(pattern) === at) exact.delete(pattern);
        },
      };
    },
    connected: () => up,
    maxPayload: () => Number.MAX_SAFE_INTEGER,
    onConnection(listener) {
      listeners.add(listener);
      return { unsubscribe: () => void listeners.delete(listener) };
    },
    setConnected(connected) {
      if (connected === up) return;
      up = connected;
      for (const listener of listeners) listener(connected);
    },
    async close() {
      up = false;
      exact.clear();
      wild.clear();
      listeners.clear();
      queue = [];
    },
  };
}
