import { StatusError, badRequest } from '@orrery/errors';
import jsonPatch, { type Operation } from 'fast-json-patch';
import type { PatchType } from '../api-client.ts';

type Json = Record<string, unknown>;

function isMap(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 7386. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isMap(patch)) return patch;
  const out: Json = isMap(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = mergePatch(out[key], value);
  }
  return out;
}

/** Merge keys of the lists that controllers patch; a list of primitives named here is merged as a set. */
const mergeKeys: Readonly<Record<string, string>> = {
  conditions: 'type',
  containers: 'name',
  initContainers: 'name',
  env: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  ownerReferences: 'uid',
  ports: 'containerPort',
  addresses: 'type',
  taints: 'key',
  imagePullSecrets: 'name',
  secrets: 'name',
};
const mergedSets = new Set(['finalizers']);

function mergeList(target: readonly unknown[], patch: readonly unknown[], key: string): unknown[] {
  const out = [...target];
  for (const item of patch) {
    if (!isMap(item)) continue;
    const at = out.findIndex((existing) => isMap(existing) && existing[key] === item[key]);
    if (item['$patch'] === 'delete') {
      if (at >= 0) out.splice(at, 1);
    } else if (at >= 0) out[at] = strategicMerge(out[at], item);
    else out.push(item);
  }
  return out;
}

function strategicMerge(target: unknown, patch: unknown): unknown {
  if (!isMap(patch)) return patch;
  const out: Json = isMap(target) && patch['$patch'] !== 'replace' ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    const existing = out[name];
    if (name.startsWith('$deleteFromPrimitiveList/')) {
      const field = name.slice(name.indexOf('/') + 1);
      const dropped = value as unknown[];
      if (Array.isArray(out[field])) out[field] = (out[field] as unknown[]).filter((v) => !dropped.includes(v));
    } else if (name.startsWith('$')) continue;
    else if (value === null) delete out[name];
    else if (Array.isArray(value) && Array.isArray(existing) && mergeKeys[name]) out[name] = mergeList(existing, value, mergeKeys[name]);
    else if (Array.isArray(value) && Array.isArray(existing) && mergedSets.has(name)) out[name] = [...new Set([...existing, ...value])];
    else out[name] = strategicMerge(existing, value);
  }
  return out;
}

/**
 * Applies a patch to a copy. The strategic form knows the merge keys of the common lists by field name; server-side
 * apply is treated as a forced merge. The API server has the whole truth; this is for controllers under test.
 */
export function applyPatch(object: unknown, patch: unknown, type: PatchType): unknown {
  switch (type) {
    case 'application/json-patch+json':
      if (!Array.isArray(patch)) throw badRequest('json patch is not a list of operations');
      try {
        return jsonPatch.applyPatch(structuredClone(object), structuredClone(patch) as Operation[], true).newDocument;
      } catch (error) {
        const message = `the server rejected our request due to an error in our request: ${(error as Error).message.split('\n')[0] ?? ''}`;
        throw new StatusError({ code: 422, reason: 'Invalid', message });
      }
    case 'application/merge-patch+json':
      return mergePatch(object, patch);
    case 'application/strategic-merge-patch+json':
    case 'application/apply-patch+yaml':
      return strategicMerge(object, patch);
  }
}
