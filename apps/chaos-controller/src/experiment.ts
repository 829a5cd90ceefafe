import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type Fault, faultProblems, verbNames } from '@orrery/chaos';

/** `chaos.orrery.dev/v1` Experiment. Not namespaced: what it strikes is the cluster itself. */
export interface Experiment extends KubeObject {
  readonly spec: ExperimentSpec;
  readonly status?: ExperimentStatus;
}

/** Durations as Go writes them. */
export interface ExperimentSpec {
  /** The fault but for its selector. Durations in milliseconds, as `delayMs`. */
  readonly fault: Omit<Fault, 'selector'>;
  readonly selector?: Fault['selector'];
  /** Five fields of cron, `@hourly` and the like, or `@every 10m`; without it the fault strikes once, at once. */
  readonly schedule?: string;
  /** How long each injection lasts; without it until `stop`. */
  readonly duration?: string;
  /** True ends the fault and keeps the schedule from coming true. */
  readonly stop?: boolean;
}

export type Phase = 'Scheduled' | 'Running' | 'Recovering' | 'Completed' | 'Stopped' | 'Failed';

/** One injection, as the status tells it; times in RFC 3339. */
export interface InjectionStatus {
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly recoveredAt?: string;
  readonly targets?: readonly string[];
  readonly message?: string;
}

export interface ExperimentStatus {
  readonly phase?: Phase;
  readonly message?: string;
  readonly observedGeneration?: number;
  readonly nextInjectionAt?: string;
  /** The latest ones, oldest first. */
  readonly injections?: readonly InjectionStatus[];
}

export const chaosGroup = 'chaos.orrery.dev';
export const Experiments: ResourceRef<Experiment> = { group: chaosGroup, version: 'v1', resource: 'experiments', kind: 'Experiment', namespaced: false };

export function faultOf({ spec }: Experiment): Fault {
  return { ...spec.fault, selector: spec.selector ?? {} };
}

/** What is wrong with the fault of an experiment, with the paths of fields in the object. */
export function experimentProblems(experiment: Experiment): string[] {
  return faultProblems(faultOf(experiment)).map(({ field, why }) => `${field.startsWith('selector') ? `spec.${field}` : `spec.fault.${field}`}: ${why}`);
}

const strings = { type: 'array', items: { type: 'string' } };
const time = { type: 'string', format: 'date-time' };

const specSchema = {
  type: 'object',
  required: ['fault'],
  properties: {
    fault: {
      type: 'object',
      required: ['verb'],
      properties: {
        verb: { type: 'string', enum: verbNames, description: 'what is done' },
        code: { type: 'integer', minimum: 400, maximum: 599, description: 'of api-error: the HTTP status' },
        when: { type: 'string', enum: ['before', 'after'], description: 'of requests that fail: before or after they took effect' },
        delayMs: { type: 'integer', minimum: 0, description: 'milliseconds of delays, slow disks and timeouts' },
        jitterMs: { type: 'integer', minimum: 0, description: 'uniform extra delay, 0 to this' },
        percent: { type: 'number', minimum: 0, maximum: 100, description: 'share of what is struck' },
        oneWay: { type: 'boolean', description: 'of partitions: only what goes from the first to the second is cut' },
        bytesPerSecond: { type: 'integer', minimum: 1 },
        byMs: { type: 'integer', description: 'of clocks: by how many milliseconds' },
      },
    },
    selector: {
      type: 'object',
      description: 'what is struck',
      properties: {
        components: { ...strings, description: 'scheduler, apiserver, store-2, kubelet-node-1; kubelet means those of all nodes' },
        nodes: strings,
        nodeLabels: { type: 'object', additionalProperties: { type: 'string' } },
        zones: strings,
        from: { ...strings, description: 'ends of links: nodes, apiserver, components' },
        to: strings,
        verbs: { ...strings, description: 'of requests: create, update, patch, delete, deletecollection, get, list, watch; read, write' },
        resources: strings,
        namespaces: strings,
        users: { ...strings, description: 'user names, or components by their short names' },
        count: { type: 'integer', minimum: 1, description: 'of what matches, so many drawn at random' },
      },
    },
    schedule: { type: 'string', description: 'five fields of cron, @hourly and the like, or @every 10m; without it the fault strikes once, at once' },
    duration: { type: 'string', description: 'how long each injection lasts, such as 90s; without it until stop' },
    stop: { type: 'boolean', description: 'true ends the fault and keeps the schedule from coming true' },
  },
};

const statusSchema = {
  type: 'object',
  properties: {
    phase: { type: 'string' },
    message: { type: 'string' },
    observedGeneration: { type: 'integer', format: 'int64' },
    nextInjectionAt: time,
    injections: { type: 'array', items: { type: 'object', properties: { startedAt: time, endedAt: time, recoveredAt: time, targets: strings, message: { type: 'string' } } } },
  },
};

const column = (name: string, jsonPath: string, type = 'string'): object => ({ name, jsonPath, type });

/** What makes the API server serve experiments. */
export const experimentDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `experiments.${chaosGroup}` },
  spec: {
    group: chaosGroup,
    scope: 'Cluster',
    names: { plural: 'experiments', singular: 'experiment', kind: 'Experiment', shortNames: ['chaos'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [column('Fault', '.spec.fault.verb'), column('Phase', '.status.phase'), column('Schedule', '.spec.schedule'), column('Next', '.status.nextInjectionAt'), column('Age', '.metadata.creationTimestamp', 'date')],
        schema: { openAPIV3Schema: { type: 'object', required: ['spec'], properties: { spec: specSchema, status: statusSchema } } },
      },
    ],
  },
};
