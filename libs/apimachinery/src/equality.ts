import type { KubeObject } from './object.ts';

type Fields = Record<string, unknown>;

/** Same JSON? The order of keys does not matter; an undefined property is the same as none. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!deepEqual(a[i], b[i])) return false;
    return true;
  }
  if (Array.isArray(b)) return false;
  const left = a as Fields;
  const right = b as Fields;
  for (const key in left) if (!deepEqual(left[key], right[key])) return false;
  for (const key in right) if (right[key] !== undefined && left[key] === undefined) return false;
  return true;
}

/** Freezes a tree in place and returns it. What is frozen already is taken to be frozen all the way down. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const key in value) deepFreeze(value[key]);
  return value;
}

/** A deep copy of JSON; much faster than structuredClone. */
export function cloneJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => cloneJson(item)) as T;
  // Copied whole, then the members: so a copy has the shape of the original, and is compact.
  const copy = { ...value };
  for (const key in copy) {
    const member = copy[key];
    if (typeof member === 'object' && member !== null) copy[key] = cloneJson(member);
  }
  return copy;
}

/** As `cloneJson`, but what is the very value that is at this place of `known` stays where it is. */
function cloneNew<T>(value: T, known: unknown): T {
  if (typeof value !== 'object' || value === null || value === known) return value;
  if (typeof known !== 'object' || known === null || Array.isArray(known) !== Array.isArray(value)) return cloneJson(value);
  if (Array.isArray(value)) return value.map((item: unknown, i) => cloneNew(item, (known as readonly unknown[])[i])) as T;
  return cloneMembers(value, known);
}

function cloneMembers<T extends object>(value: T, known: object): T {
  const copy = { ...value };
  for (const key in copy) {
    const member = copy[key];
    if (typeof member === 'object' && member !== null) copy[key] = cloneNew(member, getOwn(known, key) as unknown);
  }
  return copy;
}

/**
 * A copy of what was made of `known`, whose parts are never changed: those of them that are still in their place are shared, all else is
 * copied. The object itself, and those of its members that `members` names, are copies in any case: of these the members may be replaced.
 */
export function cloneChanged<T extends object>(value: T, known: object, members: readonly (keyof T)[]): T {
  const copy = cloneMembers(value, known);
  for (const key of members) if (copy[key] === value[key] && isRecord(copy[key])) copy[key] = { ...copy[key] };
  return copy;
}

/** Does it nest in more than `levels` objects and arrays? */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  const holder = value as Fields;
  for (const key in holder) if (typeof holder[key] === 'object' && isDeeperThan(holder[key], levels - 1)) return true;
  return false;
}

/** Assigns an own property, `__proto__` included: keys come from clients. */
export function setOwn(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    target[key] = value;
  }
}

/** An own property, never an inherited one such as `constructor`. */
export function getOwn(target: object, key: string): unknown {
  return Object.hasOwn(target, key) ? (target as Fields)[key] : undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Bumps `metadata.generation` of a draft when any of `fields` (`spec` by default) differs from before. */
export function bumpGeneration<T extends KubeObject>(draft: T, old: T, fields: readonly string[] = ['spec']): void {
  const changed = fields.some((field) => !deepEqual((draft as Fields)[field], (old as Fields)[field]));
  const generation = old.metadata?.generation ?? 0;
  draft.metadata = { ...draft.metadata, generation: changed ? generation + 1 : generation };
}
