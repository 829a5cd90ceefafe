import { cloneJson, isRecord, setOwn } from '../equality.ts';

/** RFC 7386. Neither argument is changed; the result may share parts of `target`. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return cloneJson(patch);
  const out: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null) delete out[key];
    else setOwn(out, key, applyMergePatch(Object.hasOwn(out, key) ? out[key] : undefined, value));
  }
  return out;
}

/** The merge patch that turns `from` into `to`; undefined when nothing differs. Nulls inside `to` cannot be expressed. */
export function makeMergePatch(from: unknown, to: unknown): unknown {
  if (!isRecord(from) || !isRecord(to)) return JSON.stringify(from) === JSON.stringify(to) ? undefined : cloneJson(to);
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(from)) if (!Object.hasOwn(to, key)) setOwn(patch, key, null);
  for (const key of Object.keys(to)) {
    const change = Object.hasOwn(from, key) ? makeMergePatch(from[key], to[key]) : cloneJson(to[key]);
    if (change !== undefined) setOwn(patch, key, change);
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}
