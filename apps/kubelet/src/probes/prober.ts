import { Pods } from '@orrery/api';
import type { Container, Pod, Probe } from '@orrery/api/types';
import type { EventRecorder } from '@orrery/client';
import type { Env, Timer } from '@orrery/runtime';
import type { ProbeVerdicts } from '../pods/compute-pod-actions.ts';
import { allContainers, everyContainer, uidOf } from '../pods/pod-spec.ts';
import { type PodRuntime, latestContainer } from '../runtime/pod-runtime.ts';
import { type ActionDeps, type ActionResult, runAction } from './handler.ts';
import { type ProbeFigures, ProbeRecord } from './probe-metrics.ts';

type Kind = 'startup' | 'liveness' | 'readiness';

const titles: Readonly<Record<Kind, string>> = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' };

interface Watched {
  readonly containerId: string;
  readonly container: Container;
  readonly fieldPath: string;
  readonly startedMs: number;
  pod: Pod;
  podIp: string;
  started: boolean;
  ready: boolean;
  failed: 'liveness' | 'startup' | undefined;
  timers: Map<Kind, Timer>;
  /** What there has been of each kind so far. */
  records: Map<Kind, ProbeRecord>;
  /** Results in a row, and which. */
  runs: Map<Kind, { ok: boolean; count: number }>;
  /** The pod ends: all that is still asked is whether it is ready. */
  ending: boolean;
  gone: boolean;
}

const specOf = (container: Container, kind: Kind): Probe | undefined =>
  kind === 'startup' ? container.startupProbe : kind === 'liveness' ? container.livenessProbe : container.readinessProbe;

const isProbed = ({ startupProbe, livenessProbe, readinessProbe }: Container): boolean => (startupProbe ?? livenessProbe ?? readinessProbe) !== undefined;

export interface ProberOptions {
  readonly deps: ActionDeps;
  readonly events: EventRecorder;
  readonly version: string;
  /** A verdict about a container of the pod changed. */
  readonly changed: (uid: string) => void;
}

/** Runs the probes of running containers and keeps their verdicts. Containers without probes cost nothing. */
export class Prober implements ProbeVerdicts {
  private readonly watched = new Map<string, Watched>();
  private readonly byPod = new Map<string, Set<string>>();
  private readonly env: Env;
  private readonly options: ProberOptions;

  constructor(env: Env, options: ProberOptions) {
    this.env = env;
    this.options = options;
  }

  started(containerId: string): boolean {
    return this.watched.get(containerId)?.started ?? true;
  }

  ready(containerId: string): boolean {
    return this.watched.get(containerId)?.ready ?? true;
  }

  failed(containerId: string): 'liveness' | 'startup' | undefined {
    return this.watched.get(containerId)?.failed;
  }

  /** What has been probed of the containers that run. */
  *figures(): Iterable<ProbeFigures> {
    for (const { pod, container, records } of this.watched.values()) for (const [kind, record] of records) yield { pod, container: container.name, type: titles[kind], record };
  }

  /** Begins and ends probing as containers come and go. Call after every look at the pod's runtime state. */
  update(pod: Pod, runtime: PodRuntime, podIp: string): void {
    const uid = uidOf(pod);
    if (!this.byPod.has(uid) && !everyContainer(pod).some(isProbed)) return;
    const running = new Set<string>();
    for (const { container, fieldPath, kind } of allContainers(pod)) {
      if (!isProbed(container) || kind === 'ephemeral' || (kind === 'init' && container.restartPolicy !== 'Always')) continue;
      const instance = latestContainer(runtime, container.name);
      if (instance?.state !== 'running') continue;
      running.add(instance.id);
      const known = this.watched.get(instance.id);
      if (known) Object.assign(known, { pod, podIp });
      else this.begin(uid, { pod, podIp, container, fieldPath, containerId: instance.id, startedMs: instance.startedMs });
    }
    for (const id of this.byPod.get(uid) ?? []) if (!running.has(id)) this.end(uid, id);
  }

  /** The pod begins to end: nothing is restarted any more, but who it serves wants to know how long it can. */
  endPod(uid: string): void {
    for (const id of this.byPod.get(uid) ?? []) {
      const entry = this.watched.get(id);
      if (!entry) continue;
      entry.ending = true;
      for (const kind of ['startup', 'liveness'] as const) entry.timers.get(kind)?.cancel();
    }
  }

  stopPod(uid: string): void {
    for (const id of this.byPod.get(uid) ?? []) this.end(uid, id);
  }

  stop(): void {
    for (const uid of [...this.byPod.keys()]) this.stopPod(uid);
  }

  private begin(uid: string, of: Pick<Watched, 'pod' | 'podIp' | 'container' | 'fieldPath' | 'containerId' | 'startedMs'>): void {
    const { container } = of;
    const entry: Watched = { ...of, started: !container.startupProbe, ready: !container.readinessProbe, failed: undefined, timers: new Map(), records: new Map(), runs: new Map(), ending: false, gone: false };
    this.watched.set(of.containerId, entry);
    let ids = this.byPod.get(uid);
    if (!ids) this.byPod.set(uid, (ids = new Set()));
    ids.add(of.containerId);
    if (container.startupProbe) this.schedule(entry, 'startup', this.initialDelay(entry, 'startup'));
    else this.beginAfterStartup(entry);
  }

  private beginAfterStartup(entry: Watched): void {
    for (const kind of ['liveness', 'readiness'] as const) if (specOf(entry.container, kind)) this.schedule(entry, kind, this.initialDelay(entry, kind));
  }

  private end(uid: string, containerId: string): void {
    const entry = this.watched.get(containerId);
    if (entry) {
      entry.gone = true;
      for (const timer of entry.timers.values()) timer.cancel();
    }
    this.watched.delete(containerId);
    const ids = this.byPod.get(uid);
    ids?.delete(containerId);
    if (ids?.size === 0) this.byPod.delete(uid);
  }

  private initialDelay(entry: Watched, kind: Kind): number {
    const { initialDelaySeconds = 0 } = specOf(entry.container, kind) ?? {};
    return Math.max(0, entry.startedMs + initialDelaySeconds * 1000 - this.env.clock.now());
  }

  private schedule(entry: Watched, kind: Kind, delayMs: number): void {
    entry.timers.set(
      kind,
      this.env.clock.after(delayMs, () => void this.probe(entry, kind)),
    );
  }

  private async probe(entry: Watched, kind: Kind): Promise<void> {
    const spec = specOf(entry.container, kind);
    if (!spec || entry.gone) return;
    const periodMs = (spec.periodSeconds ?? 10) * 1000;
    const startMs = this.env.clock.monotonic();
    const result = await this.attempt(entry, kind, spec);
    this.record(entry, kind).add(result, (this.env.clock.monotonic() - startMs) / 1000);
    if (entry.gone || (entry.ending && kind !== 'readiness')) return;
    const goesOn = result === undefined || this.judge(entry, kind, { spec, result });
    if (goesOn && !(kind === 'startup' && entry.started)) this.schedule(entry, kind, Math.max(0, periodMs - (this.env.clock.monotonic() - startMs)));
  }

  private record({ records }: Watched, kind: Kind): ProbeRecord {
    let record = records.get(kind);
    if (!record) records.set(kind, (record = new ProbeRecord()));
    return record;
  }

  /** The outcome, or undefined when the probe itself did not work. */
  private async attempt(entry: Watched, kind: Kind, spec: Probe): Promise<ActionResult | undefined> {
    const { deps, version } = this.options;
    const timeoutMs = (spec.timeoutSeconds ?? 1) * 1000;
    try {
      return await runAction(spec, entry, { deps, timeoutMs, userAgent: `kube-probe/${version}` });
    } catch (error) {
      const output = (error as Error).message;
      if (!spec.exec) return { ok: false, output };
      if (!entry.gone) this.warn(entry, `${titles[kind]} probe errored and resulted in unknown state: ${output}`);
      return undefined;
    }
  }

  /** Counts a result; false when the probe has done its work. */
  private judge(entry: Watched, kind: Kind, { spec, result }: { spec: Probe; result: ActionResult }): boolean {
    const { ok } = result;
    if (!ok) this.warn(entry, `${titles[kind]} probe failed: ${result.output.slice(0, 1024)}`);
    else if (result.warning) this.warn(entry, `${titles[kind]} probe warning: ${result.output.slice(0, 1024)}`, 'ProbeWarning');
    const run = entry.runs.get(kind);
    const count = run?.ok === ok ? run.count + 1 : 1;
    entry.runs.set(kind, { ok, count });
    if (count < (ok ? (spec.successThreshold ?? 1) : (spec.failureThreshold ?? 3))) return true;
    if (kind === 'readiness') {
      if (entry.ready !== ok) this.change(entry, { ready: ok });
      return true;
    }
    if (!ok) {
      this.change(entry, { failed: kind, ready: false });
      return false;
    }
    if (kind === 'startup' && !entry.started) {
      this.change(entry, { started: true });
      this.beginAfterStartup(entry);
    }
    return true;
  }

  private change(entry: Watched, change: Partial<Pick<Watched, 'ready' | 'started' | 'failed'>>): void {
    Object.assign(entry, change);
    this.options.changed(uidOf(entry.pod));
  }

  private warn(entry: Watched, message: string, reason = 'Unhealthy'): void {
    this.options.events.event(Pods, entry.pod, { type: 'Warning', reason, message, fieldPath: entry.fieldPath });
  }
}
