import type { CelType, ObjectType } from './types.ts';

/** Libraries beyond the base one (standard, strings, lists, sets, regex, URLs, quantity, IP, CIDR, format, semver, optionals, two-variable comprehensions). */
export interface Libraries {
  /** `authorizer.group(…).resource(…).check(…)` and its selectors. On by default, as upstream. */
  readonly authorizer?: boolean;
  /** `JSONPatch{op: …, path: …, value: …}` and `jsonpatch.escapeKey(…)` of MutatingAdmissionPolicy. */
  readonly jsonPatch?: boolean;
  /** `Object{spec: Object.spec{…}}` of MutatingAdmissionPolicy: any field below `Object`. */
  readonly objectConstruction?: boolean;
  /** `cel.bind(name, value, expression)`; upstream leaves it off. */
  readonly bindings?: boolean;
}

/** What an expression may name: variables by type, types it may construct or compare with, libraries. */
export interface Environment {
  readonly variables: Readonly<Record<string, CelType>>;
  readonly types: readonly ObjectType[];
  readonly libraries: Libraries;
}

/** Make it once and use it for every expression of that sort: compiling remembers by environment. */
export function environment(options: { readonly variables?: Readonly<Record<string, CelType>>; readonly types?: readonly ObjectType[]; readonly libraries?: Libraries }): Environment {
  return Object.freeze({ variables: options.variables ?? {}, types: options.types ?? [], libraries: options.libraries ?? {} });
}

/** Type of the results of `JSONPatch{…}` (as `list(JSONPatch)`) and `Object{…}` in MutatingAdmissionPolicy. */
export const jsonPatchType: ObjectType = { kind: 'object', name: 'JSONPatch', fields: new Map() };
export const objectConstructionType: ObjectType = { kind: 'object', name: 'Object', fields: new Map(), open: true };
