import { type ContainerEventResponse, ContainerEventType } from '@orrery/proto/cri';
import { Code, RpcError, forEachAnswer } from '@orrery/rpc';
import type { Env, Timer } from '@orrery/runtime';
import type { CriRuntime } from './cri-runtime.ts';
import { podUidLabel } from './labels.ts';
import type { RuntimeEvent } from './pod-runtime.ts';

export interface RuntimeChanges {
  /** One pod changed, given by its uid, or by what happened to one of its sandboxes or containers. */
  changed(uid: string | undefined, event?: RuntimeEvent): void;
  /** Events may have been lost: look at everything. */
  lost(): void;
}

/**
 * Tells which pods changed in the runtime: by its stream of events or, where it has none, by comparing lists once in a
 * while.
 */
export class RuntimeEvents {
  private readonly env: Env;
  private readonly runtime: CriRuntime;
  private readonly changes: RuntimeChanges;
  private readonly relistMs: number;
  private readonly controller = new AbortController();
  private timer: Timer | undefined;
  private seen = new Map<string, string>();

  constructor(env: Env, options: { runtime: CriRuntime; changes: RuntimeChanges; relistMs: number }) {
    this.env = env;
    this.runtime = options.runtime;
    this.changes = options.changes;
    this.relistMs = options.relistMs;
  }

  start(): void {
    void this.follow();
  }

  stop(): void {
    this.timer?.cancel();
    this.controller.abort(new Error('kubelet stopped'));
  }

  private async follow(): Promise<void> {
    const { signal } = this.controller;
    while (!signal.aborted) {
      try {
        await forEachAnswer(this.runtime.events(signal), this.heard);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof RpcError && error.code === Code.UNIMPLEMENTED) return this.relist();
        this.env.log.warn('the stream of container events broke', { error: (error as Error).message });
      }
      if (signal.aborted) return;
      await this.env.clock.sleep(this.relistMs, signal).catch(() => undefined);
      this.changes.lost();
    }
  }

  private readonly heard = ({ podSandboxStatus, containerId: id = '', containerEventType: type = ContainerEventType.CONTAINER_CREATED_EVENT }: ContainerEventResponse): void => {
    const uid = podSandboxStatus?.metadata?.uid ?? podSandboxStatus?.labels?.[podUidLabel];
    this.changes.changed(uid, { id, type });
  };

  private relist(): void {
    this.timer = this.env.clock.after(this.relistMs, () => {
      this.compare()
        .catch((error: unknown) => this.env.log.warn('the runtime could not be listed', { error: (error as Error).message }))
        .finally(() => {
          if (!this.controller.signal.aborted) this.relist();
        });
    });
  }

  /** One line a pod with the states of its sandboxes and containers; pods whose line changed have changed. */
  private async compare(): Promise<void> {
    const { runtime } = this.runtime.clients;
    const [{ items = [] }, { containers = [] }] = await Promise.all([runtime.listPodSandbox({}), runtime.listContainers({})]);
    const lines = new Map<string, string>();
    for (const { id, state, labels } of [...items, ...containers]) {
      const uid = labels?.[podUidLabel];
      if (uid) lines.set(uid, `${lines.get(uid) ?? ''}${id}:${state};`);
    }
    for (const [uid, line] of lines) if (this.seen.get(uid) !== line) this.changes.changed(uid);
    for (const uid of this.seen.keys()) if (!lines.has(uid)) this.changes.changed(uid);
    this.seen = lines;
  }
}
