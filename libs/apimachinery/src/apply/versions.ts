import type { Schema } from '../schema.ts';

/** An object as another version of its API shows it. */
export interface VersionView {
  readonly schema: Schema;
  /** From the version of the request; the argument is left alone. */
  to(object: unknown): unknown;
  /** Back to the version of the request. */
  from(object: unknown): unknown;
}

/**
 * How managers of other versions see an object. `gone`: nobody serves that version any more, so what its managers own is
 * forgotten. Undefined: it cannot be shown (a webhook converts it); fields are then taken to have the same names.
 */
export type VersionLookup = (apiVersion: string) => VersionView | 'gone' | undefined;

/** The view of a version, or nothing where it is the request's own or as good as it. */
export function viewAt(versions: VersionLookup | undefined, apiVersion: string, own: string): VersionView | 'gone' | undefined {
  return apiVersion === own ? undefined : versions?.(apiVersion);
}
