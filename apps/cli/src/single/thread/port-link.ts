import type { ThreadLink } from '@orrery/client';
import type { MessagePort } from 'node:worker_threads';

/** How many messages have gone and come over a link. */
export interface Traffic {
  readonly sent: number;
  readonly received: number;
}

/** A port as a way for messages of two kinds, which are counted: none is under way while one end has received what the other has sent. */
export class PortLink<In, Out> implements ThreadLink<In, Out>, Traffic {
  private readonly port: MessagePort;
  sent = 0;
  received = 0;

  constructor(port: MessagePort) {
    this.port = port;
  }

  post(message: Out, transfer: readonly ArrayBuffer[] = []): void {
    this.sent++;
    this.port.postMessage(message, transfer as ArrayBuffer[]);
  }

  receive(use: (message: In) => void): void {
    this.port.on('message', (message: In) => {
      this.received++;
      use(message);
    });
  }
}
