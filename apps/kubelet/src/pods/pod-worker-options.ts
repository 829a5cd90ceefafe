import type { Pod } from '@orrery/api/types';
import type { KubeletContext } from '../kubelet-context.ts';
import type { Rejection } from './admission.ts';
import type { ResizerOptions } from './resize.ts';

export interface PodWorkerOptions {
  readonly context: KubeletContext;
  readonly pod: Pod;
  /** Sandboxes the runtime had of the pod when the kubelet started. */
  readonly sandboxIds: readonly string[];
  /** The node does not take the pod. */
  readonly rejection: Rejection | undefined;
  /** Longest wait before a container that ends again and again is restarted. */
  readonly maxRestartMs: number;
  /** Grants a resize, or says why not. */
  readonly allocate: ResizerOptions['allocate'];
  /** The pod is gone from the API server and from the node. */
  readonly finished: (uid: string) => void;
}

/** Why a pod is to be looked at once more. */
export interface Trigger {
  readonly runtimeChanged?: boolean;
  readonly volumesChanged?: boolean;
  readonly wake?: boolean;
}
