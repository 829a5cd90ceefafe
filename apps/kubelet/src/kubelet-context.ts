import type { Node, Pod } from '@orrery/api/types';
import type { ApiClient, EventRecorder } from '@orrery/client';
import type { LogSource, VolumeHost } from '@orrery/cri';
import type { Env } from '@orrery/runtime';
import type { KubeletConfig } from './config.ts';
import type { KubeletConfiguration } from './configuration/types.ts';
import type { ClaimManager } from './claims/claim-manager.ts';
import type { DeviceManager } from './devices/device-manager.ts';
import type { ImageManager } from './images/image-manager.ts';
import type { Journal } from './logs/journal.ts';
import type { Rejection } from './pods/admission.ts';
import type { StartGate } from './pods/start-gate.ts';
import type { UserNamespaces } from './pods/user-namespaces.ts';
import type { ActionDeps } from './probes/handler.ts';
import type { Prober } from './probes/prober.ts';
import type { CriRuntime } from './runtime/cri-runtime.ts';
import type { KubeletSources } from './sources/kubelet-sources.ts';
import type { StatusManager } from './status/status-manager.ts';
import type { VolumeManager } from './volumes/volume-manager.ts';

/** What the parts of one kubelet share. */
export interface KubeletContext {
  readonly env: Env;
  readonly config: KubeletConfig;
  /** The file the settings were read from, if any. */
  readonly configuration: KubeletConfiguration | undefined;
  readonly nodeName: string;
  /** Whether all handlers of the runtime can make mounts read-only with what is mounted below them. */
  recursiveReadOnly(): boolean;
  readonly api: ApiClient;
  readonly runtime: CriRuntime;
  /** `containerd` in `containerd://id`. */
  readonly runtimeName: () => string;
  readonly events: EventRecorder;
  /** Whose turn it is to begin, where many kubelets share a process. */
  readonly starts: StartGate | undefined;
  readonly statuses: StatusManager;
  readonly sources: KubeletSources;
  readonly volumes: VolumeManager;
  readonly userNamespaces: UserNamespaces;
  readonly host: VolumeHost;
  readonly logs: LogSource;
  /** What the process logged, where it remembers that. */
  readonly journal: Journal | undefined;
  readonly images: ImageManager;
  readonly prober: Prober;
  readonly actions: ActionDeps;
  /** The node as the API server last showed it. */
  readonly node: () => Node;
  readonly hostIps: () => readonly string[];
  /** Where the node has device plug-ins. */
  readonly devices: DeviceManager | undefined;
  readonly claims: ClaimManager;
  /** What speaks against any further pod now: the node shuts down, or is under pressure. */
  readonly admit: (pod: Pod) => Rejection | undefined;
  /** Why pods cannot get a network now, if so. */
  readonly networkProblem: () => string | undefined;
}
