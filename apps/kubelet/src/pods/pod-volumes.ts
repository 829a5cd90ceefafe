import { Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { CsiFault } from '../csi/csi-volumes.ts';
import type { KubeletContext } from '../kubelet-context.ts';
import { ClaimFault } from '../volumes/claim-volume.ts';
import type { MountedVolume } from '../volumes/volume-manager.ts';
import { lacksVolumes } from '../volumes/volume-uses.ts';
import { HeldObjects } from './pod-objects.ts';
import type { Trigger } from './pod-worker-options.ts';

const firstRetryMs = 500;
const maxRetryMs = 122_000;
/** A claim is bound by others at any moment; what keeps it is told again as seldom as upstream gives up waiting. */
const claimRetryMs = 1_000;
const claimEventMs = 123_000;

const none: ReadonlyMap<string, MountedVolume> = new Map();

/** Who drives the pod. */
export interface PodDriver {
  trigger(reason: Trigger): void;
  /** Asks for another sync after a while. */
  wakeIn(delayMs: number): void;
}

const news: Trigger = { volumesChanged: true };

/** The volumes of one pod: made once, and brought up to date when what they show has changed. */
export class PodVolumes {
  /** What they show may have changed. */
  stale = false;
  private readonly context: KubeletContext;
  private readonly driver: PodDriver;
  private held: HeldObjects | undefined;
  private made: ReadonlyMap<string, MountedVolume> | undefined;
  private retryMs = firstRetryMs;
  private nextClaimEventMs = 0;

  constructor(context: KubeletContext, driver: PodDriver) {
    this.context = context;
    this.driver = driver;
  }

  get mounted(): ReadonlyMap<string, MountedVolume> {
    return this.made ?? none;
  }

  /** The config maps and secrets that the pod names. */
  objects(pod: Pod): HeldObjects {
    return (this.held ??= new HeldObjects(pod, this.context.sources, () => this.driver.trigger(news)));
  }

  release(): void {
    this.held?.release();
  }

  /** Makes the volumes, or brings them up to date. False: the pod has none yet; what keeps them was told, and another try asked for. */
  async mount(pod: Pod, podIps: readonly string[]): Promise<boolean> {
    const { volumes, node, hostIps } = this.context;
    const objects = this.objects(pod);
    const fields = { podIps, hostIps: hostIps(), allocatable: node().status?.allocatable ?? {} };
    const refresh = this.stale;
    this.stale = false;
    try {
      if (!this.made || lacksVolumes(pod, this.made)) this.made = await volumes.mount(pod, objects, fields);
      else if (refresh) await volumes.refresh(pod, objects, fields);
      this.retryMs = firstRetryMs;
    } catch (error) {
      this.stale = true;
      this.failed(pod, error as Error);
      if (!this.made) return false;
    }
    return true;
  }

  private failed(pod: Pod, error: Error): void {
    const { env, events } = this.context;
    const nowMs = env.clock.monotonic();
    const awaitsAttachment = error instanceof CsiFault && error.awaitsAttachment;
    const isClaim = error instanceof ClaimFault || awaitsAttachment;
    // Attaching takes its time: only one that lasts is told.
    if (awaitsAttachment && this.nextClaimEventMs === 0) this.nextClaimEventMs = nowMs + claimEventMs;
    if (!isClaim || nowMs >= this.nextClaimEventMs) {
      if (isClaim) this.nextClaimEventMs = nowMs + claimEventMs;
      events.event(Pods, pod, { type: 'Warning', reason: error instanceof CsiFault || error instanceof ClaimFault ? error.reason : 'FailedMount', message: error.message });
    }
    this.driver.wakeIn(isClaim ? claimRetryMs : this.retryMs);
    if (!isClaim) this.retryMs = Math.min(maxRetryMs, this.retryMs * 2);
  }
}
