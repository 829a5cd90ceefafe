import { type ScalePaths, schemaOf } from '@orrery/api';
import { type KubeObject, applyConflictError, applyPatch as applyServerSide, cloneJson, formatSelector, isRecord, selectorFromLabels, selectorFromObject } from '@orrery/apimachinery';
import { badRequest, fieldError, internalError, invalid, notFound } from '@orrery/errors';
import { get } from '../get.ts';
import { ownership } from '../managed-fields.ts';
import { type PatchInput, applyPatch, checkApply, settleApplied, statusOf } from '../patch.ts';
import type { Registry, RequestScope, WriteOptions } from '../registry.ts';
import { type AdmissionView, updateWith } from '../update.ts';

/** autoscaling/v1 Scale. */
export interface Scale extends KubeObject {
  spec?: { replicas?: number };
  status?: { replicas: number; selector?: string };
}

function valueAt(object: unknown, path: string): unknown {
  let value = object;
  for (const part of path.split('.')) value = isRecord(value) ? value[part] : undefined;
  return value;
}

function setAt(object: Record<string, unknown>, path: string, value: unknown): void {
  const parts = path.split('.');
  const last = parts.pop() ?? '';
  let target = object;
  for (const part of parts) target = (target[part] ??= {}) as Record<string, unknown>;
  target[last] = value;
}

/** Selectors come as LabelSelector, as a plain map (replication controllers) or, in custom resources, as text. */
function selectorText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!isRecord(value)) return '';
  const isObject = 'matchLabels' in value || 'matchExpressions' in value;
  return formatSelector(isObject ? selectorFromObject(value as never) : selectorFromLabels(value as Record<string, string>));
}

function scalePaths(scope: RequestScope): ScalePaths {
  const { kind, info } = scope;
  if (!kind.scale) throw notFound({ group: info.group, resource: info.resource, name: info.name });
  return kind.scale;
}

export function scaleOf(object: KubeObject, paths: ScalePaths): Scale {
  const { name = '', namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {};
  const selector = paths.selector ? selectorText(valueAt(object, paths.selector)) : '';
  const replicas = Number(valueAt(object, paths.specReplicas) ?? 0);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, ...(namespace ? { namespace } : {}), ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}), ...(creationTimestamp ? { creationTimestamp } : {}) },
    spec: replicas ? { replicas } : {},
    status: { replicas: Number(valueAt(object, paths.statusReplicas) ?? 0), ...(selector ? { selector } : {}) },
  };
}

export async function getScale(registry: Registry, scope: RequestScope): Promise<Scale> {
  const paths = scalePaths(scope);
  const object = (await get(registry, scope)).object as KubeObject;
  if (scope.kind.customSchema && valueAt(object, paths.specReplicas) === undefined) throw internalError(`the spec replicas field ".${paths.specReplicas}" does not exist`);
  return scaleOf(object, paths);
}

function checkReplicas(replicas: number, name: string): void {
  if (replicas >= 0) return;
  throw invalid({ group: 'autoscaling', kind: 'Scale', name }, [fieldError.invalid('spec.replicas', replicas, 'must be greater than or equal to 0')]);
}

/** What admission sees of an object whose number of replicas changes. */
const viewOf = (paths: ScalePaths): AdmissionView => ({
  kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
  of: (object) => scaleOf(object, paths),
  take: (scale, draft) => setAt(draft as Record<string, unknown>, paths.specReplicas, (scale as Scale).spec?.replicas ?? 0),
});

/** PUT and PATCH of /scale: changes the number of replicas of the object, and nothing else. */
export async function updateScale(
  registry: Registry,
  scope: RequestScope,
  input: { options: WriteOptions; transform: (scale: Scale) => Scale; uid?: string | undefined },
): Promise<Scale> {
  const paths = scalePaths(scope);
  const { name } = scope.info;
  const { entry } = await updateWith(registry, scope, {
    options: input.options,
    createIfAbsent: false,
    unconditional: true,
    uid: input.uid,
    view: viewOf(paths),
    transform: (current) => {
      const scale = input.transform(scaleOf(current as KubeObject, paths));
      if (!scale.metadata?.name) throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
      if (scale.metadata.name !== name) {
        throw badRequest(`the name of the object (${scale.metadata.name}) does not match the name on the URL (${name})`);
      }
      const replicas = scale.spec?.replicas ?? 0;
      checkReplicas(replicas, name);
      const draft = cloneJson(current as KubeObject);
      setAt(draft as Record<string, unknown>, paths.specReplicas, replicas);
      const { resourceVersion, uid } = scale.metadata ?? {};
      draft.metadata = { ...draft.metadata, ...(resourceVersion ? { resourceVersion } : {}), ...(uid ? { uid } : {}) };
      return draft;
    },
  });
  return scaleOf(entry.object as KubeObject, paths);
}

const scaleDefinition = 'io.k8s.api.autoscaling.v1.Scale';

/** Apply to /scale: owns the number of replicas of the object, under the subresource's name. */
async function applyScale(registry: Registry, scope: RequestScope, input: PatchInput): Promise<Scale> {
  checkApply(input);
  const paths = scalePaths(scope);
  const { options, force } = input;
  const { entry } = await updateWith(registry, scope, {
    options,
    createIfAbsent: false,
    unconditional: true,
    isTracked: true,
    view: viewOf(paths),
    transform: (current) => {
      const about = ownership(registry, scope);
      const manager = options.fieldManager;
      try {
        // Throws for what is no Scale.
        applyServerSide({ ...about, live: undefined, applied: input.patch, manager, force, schema: schemaOf(scaleDefinition), apiVersion: 'autoscaling/v1', kind: 'Scale' });
        const { spec, metadata } = input.patch as Scale;
        const applied = { apiVersion: about.apiVersion, kind: about.kind, metadata: { name: scope.info.name, ...metadata } };
        if (spec?.replicas !== undefined) setAt(applied, paths.specReplicas, spec.replicas);
        checkReplicas(spec?.replicas ?? 0, scope.info.name);
        const result = applyServerSide({ ...about, live: current, applied, manager, force });
        if ('conflicts' in result) throw applyConflictError(result.conflicts);
        settleApplied(scope, input);
        return result.object as KubeObject;
      } catch (error) {
        throw statusOf(error);
      }
    },
  });
  return scaleOf(entry.object as KubeObject, paths);
}

export function patchScale(registry: Registry, scope: RequestScope, input: PatchInput): Promise<Scale> {
  const schema = schemaOf(scaleDefinition);
  scope.audit?.patch(input.patch);
  if (input.type === 'application/apply-patch+yaml') return applyScale(registry, scope, input);
  return updateScale(registry, scope, { options: input.options, transform: (scale) => applyPatch(scale, input, { schema, scope }) as Scale });
}
