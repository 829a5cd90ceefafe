import type { ClockReading } from '@orrery/runtime';
import type { DialOptions, Endpoint, LinkFault } from '@orrery/vnet';
import type { MessagePort } from 'node:worker_threads';
import type { ClusterOptions } from '../../cluster.ts';
import type { NodeControl } from '../added-nodes.ts';
import type { HandedConn } from './conn-over-port.ts';
import type { Traffic } from './port-link.ts';
import type { Handed } from './remote-calls.ts';

/** What the thread of the parts is started with. */
export interface ThreadStart {
  readonly options: Omit<ClusterOptions, 'clock' | 'jump' | 'onChange'>;
  /** Milliseconds by which the cluster's clock is ahead of the machine's. */
  readonly aheadMs: number;
  /** Of the API (`ThreadApi`). */
  readonly api: MessagePort;
  /** Of the calls below. */
  readonly calls: MessagePort;
  /** Of the steps that are told, as strings. */
  readonly steps: MessagePort;
}

type Found = Readonly<Record<string, string>>;

/** What the main thread asks of the parts. */
export interface PartsCalls {
  readonly start: (apiPort: number) => Promise<Found>;
  readonly untilReady: () => Promise<void>;
  /** The user wants no more of what is under way. */
  readonly abort: () => void;
  readonly stop: () => Promise<void>;
  readonly restart: (component: string) => Promise<Found>;
  readonly setCloudDown: (down: boolean) => void;
  readonly dial: (to: Endpoint, options: Pick<DialOptions, 'timeoutMs'>) => Promise<Handed<HandedConn>>;
  readonly partition: (a: string, b: string, oneWay: boolean) => void;
  readonly heal: (a: string, b: string, oneWay: boolean) => void;
  readonly setLink: (a: string, b: string, fault: LinkFault) => void;
  readonly setNodeDown: (node: string, down: boolean) => void;
  readonly listNodes: () => Promise<readonly string[]>;
  readonly addNode: (...args: Parameters<NodeControl['add']>) => Promise<string>;
  readonly removeNode: (name: string) => Promise<void>;
  readonly readClock: () => ClockReading;
  readonly setSpeed: (factor: number) => void;
  readonly advance: (ms: number) => Promise<void>;
  readonly jump: (ms: number) => void;
  readonly untilNext: () => number;
  readonly settle: () => Promise<Traffic>;
}
