/** How many replicas a cluster should have: the two ways of the cluster-proportional-autoscaler. */
export type Scaling =
  | {
      readonly kind: 'linear';
      readonly coresPerReplica: number;
      readonly nodesPerReplica: number;
      readonly min: number;
      readonly max: number;
      readonly preventSinglePointOfFailure: boolean;
      readonly includeUnschedulableNodes: boolean;
    }
  | { readonly kind: 'ladder'; readonly coresToReplicas: readonly Step[]; readonly nodesToReplicas: readonly Step[]; readonly includeUnschedulableNodes: boolean };

/** From so many cores or nodes on, so many replicas. */
export type Step = readonly [atLeast: number, replicas: number];

export interface ClusterSize {
  readonly nodes: number;
  readonly cores: number;
}

/** Text that is no scaling: says what is wrong with it. */
export class ScalingError extends Error {}

const known = { linear: ['coresPerReplica', 'nodesPerReplica', 'min', 'max', 'preventSinglePointOfFailure', 'includeUnschedulableNodes'], ladder: ['coresToReplicas', 'nodesToReplicas', 'includeUnschedulableNodes'] } as const;

type Fields = Readonly<Record<string, unknown>>;

function objectOf(text: string, kind: keyof typeof known): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new ScalingError(`${kind}: ${(error as Error).message}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new ScalingError(`${kind} must be an object`);
  for (const field of Object.keys(parsed)) if (!(known[kind] as readonly string[]).includes(field)) throw new ScalingError(`${kind}: unknown field "${field}"`);
  return parsed as Fields;
}

function numberOf(fields: Fields, field: string): number {
  const value = fields[field] ?? 0;
  if (typeof value !== 'number' || value < 0) throw new ScalingError(`${field} must be a number that is not negative`);
  return value;
}

function stepsOf(fields: Fields, field: string): Step[] {
  const value = fields[field] ?? [];
  const isStep = (step: unknown): step is Step => Array.isArray(step) && step.length === 2 && step.every((n) => Number.isInteger(n) && n >= 0);
  if (!Array.isArray(value) || !value.every(isStep)) throw new ScalingError(`${field} must be a list of pairs of numbers`);
  return [...value].sort(([a], [b]) => a - b);
}

/** Reads the ConfigMap's data, which has one key: `linear` or `ladder`. Throws ScalingError. */
export function parseScaling(data: Readonly<Record<string, string>>): Scaling {
  const { linear, ladder } = data;
  if ((linear === undefined) === (ladder === undefined)) throw new ScalingError('there must be one of the keys linear and ladder');
  if (ladder !== undefined) {
    const fields = objectOf(ladder, 'ladder');
    return { kind: 'ladder', coresToReplicas: stepsOf(fields, 'coresToReplicas'), nodesToReplicas: stepsOf(fields, 'nodesToReplicas'), includeUnschedulableNodes: fields['includeUnschedulableNodes'] === true };
  }
  const fields = objectOf(linear ?? '', 'linear');
  const amounts = { coresPerReplica: numberOf(fields, 'coresPerReplica'), nodesPerReplica: numberOf(fields, 'nodesPerReplica'), min: numberOf(fields, 'min') || 1, max: numberOf(fields, 'max') || Infinity };
  if (!amounts.coresPerReplica && !amounts.nodesPerReplica) throw new ScalingError('linear: one of coresPerReplica and nodesPerReplica must be set');
  if (amounts.max < amounts.min) throw new ScalingError('linear: max is less than min');
  return { kind: 'linear', ...amounts, preventSinglePointOfFailure: fields['preventSinglePointOfFailure'] === true, includeUnschedulableNodes: fields['includeUnschedulableNodes'] === true };
}

const climb = (steps: readonly Step[], size: number): number => steps.findLast(([atLeast]) => atLeast <= size)?.[1] ?? 0;

export function replicasFor(scaling: Scaling, { nodes, cores }: ClusterSize): number {
  if (scaling.kind === 'ladder') return Math.max(climb(scaling.coresToReplicas, cores), climb(scaling.nodesToReplicas, nodes));
  const { coresPerReplica, nodesPerReplica, min, max, preventSinglePointOfFailure } = scaling;
  const per = (size: number, each: number): number => (each ? Math.ceil(size / each) : 0);
  const least = preventSinglePointOfFailure && nodes > 1 ? Math.max(min, 2) : min;
  return Math.min(Math.max(per(cores, coresPerReplica), per(nodes, nodesPerReplica), least), max);
}
