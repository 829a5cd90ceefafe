import { type ChaosReport, type InjectionRecord, faultText } from '@orrery/chaos';
import { type Experiment, type ExperimentStatus, Experiments } from '@orrery/chaos-controller/component';
import type { ApiClient } from '@orrery/client';
import { hasReason } from '@orrery/errors';
import { loadKubeconfig } from '@orrery/node-io';
import { connectByKubeconfig, connectRunning } from '../commands/running.ts';
import { askCluster } from '../control/client.ts';
import { UserError } from '../user-error.ts';

/** What became of an experiment so far. */
export interface Outcome {
  /** What it struck. */
  readonly targets?: readonly string[];
  readonly error?: string;
  /** It waits for its schedule. */
  readonly scheduled?: boolean;
}

/** The way to a cluster's experiments and to the controller that carries them out. */
export interface ChaosAccess {
  readonly api: ApiClient;
  /** Sees to it that experiments are carried out. Throws UserError where nobody would. */
  enable(): Promise<void>;
  /** Undefined: nothing yet. */
  outcome(name: string): Promise<Outcome | undefined>;
  /** Ends faults at once, whether or not the API server answers; all without names. Resolves to what was ended; nothing where only the API server leads there. */
  end(names: readonly string[] | undefined): Promise<string[]>;
  /** Whether it may still be doing what it does, although it has been told to stop. */
  isInForce(name: string): Promise<boolean>;
  report(): Promise<ChaosReport>;
  /** So long the API server may take to learn that experiments are stopped. */
  readonly stopPatienceMs: number;
  /** Where to look when nothing happens. */
  readonly hint: string;
}

function told({ phase, message, injections }: ExperimentStatus = {}): Outcome | undefined {
  if (phase === 'Failed') return { error: message ?? 'it failed' };
  const last = injections?.at(-1);
  if (last?.message) return { error: last.message };
  if (last?.targets?.length) return { targets: last.targets };
  return phase === 'Scheduled' ? { scheduled: true } : undefined;
}

/** A cluster of `orrery up`: its controller is in that process, and answers although the API server may be what it struck. */
function ownCluster(dataDir: string | undefined): ChaosAccess {
  const { dir, state, api } = connectRunning(dataDir);
  const { control } = state;
  if (!control) throw new UserError(`the cluster on ${dir.root} was started by an earlier version, which knows no chaos: restart it`);
  const report = async (): Promise<ChaosReport> => (await askCluster(control, { path: '/chaos' })) as ChaosReport;
  return {
    api,
    report,
    enable: async () => void (await askCluster(control, { path: '/chaos', body: { action: 'enable' } })),
    async outcome(name) {
      const own = (await report()).injections.findLast((one) => one.name === name);
      if (own?.error) return { error: own.error };
      if (own) return own.targets.length ? { targets: own.targets } : undefined;
      return told((await api.get(Experiments, { name })).status);
    },
    end: async (names) => ((await askCluster(control, { path: '/chaos', body: { action: 'end', ...(names ? { names } : {}) } })) as { ended: string[] }).ended,
    // `end` has seen to that.
    isInForce: () => Promise.resolve(false),
    // What was in force is ended by then: a server that stands still is not waited for.
    stopPatienceMs: 3_000,
    hint: 'see `orrery logs chaos-controller`',
  };
}

function records({ metadata, spec, status }: Experiment): InjectionRecord[] {
  const ms = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text));
  return (status?.injections ?? []).map(({ startedAt, endedAt, recoveredAt, targets = [], message }) => {
    const [endedMs, recoveredMs] = [ms(endedAt), ms(recoveredAt)];
    return {
      name: metadata?.name ?? '',
      what: faultText({ ...spec.fault, selector: spec.selector ?? {} }),
      targets,
      startedMs: Date.parse(startedAt),
      ...(endedMs === undefined ? {} : { endedMs }),
      ...(recoveredMs === undefined ? {} : { recoveredMs }),
      ...(message ? { error: message } : {}),
    };
  });
}

/** Any cluster that runs the chaos controller, such as that of infra/compose.yaml: by its experiments alone. */
function anyCluster(kubeconfig: string): ChaosAccess {
  const { api } = connectByKubeconfig(kubeconfig);
  const listed = async (): Promise<readonly Experiment[]> => {
    try {
      return (await api.list(Experiments)).items;
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw new UserError((error as Error).message);
      throw new UserError('this cluster runs no chaos controller, so nothing would come of experiments; in compose: `docker compose -f infra/compose.yaml --profile full --profile chaos up -d chaos`');
    }
  };
  return {
    api,
    enable: async () => void (await listed()),
    outcome: async (name) => told((await api.get(Experiments, { name })).status),
    end: () => Promise.resolve([]),
    async isInForce(name) {
      const { phase } = (await api.get(Experiments, { name })).status ?? {};
      return phase === undefined || phase === 'Scheduled' || phase === 'Running';
    },
    async report() {
      const injections = (await listed()).flatMap(records).sort((a, b) => a.startedMs - b.startedMs);
      return { cluster: loadKubeconfig(kubeconfig).server, madeMs: Date.now(), injections, disturbances: [] };
    },
    stopPatienceMs: 60_000,
    hint: 'does the chaos controller run? In compose: `docker compose -f infra/compose.yaml logs chaos`',
  };
}

export function chaosAccess({ dataDir, kubeconfig }: { readonly dataDir?: string; readonly kubeconfig?: string }): ChaosAccess {
  if (dataDir !== undefined && kubeconfig !== undefined) throw new UserError('--data-dir and --kubeconfig both name a cluster: give one of them');
  return kubeconfig === undefined ? ownCluster(dataDir) : anyCluster(kubeconfig);
}
