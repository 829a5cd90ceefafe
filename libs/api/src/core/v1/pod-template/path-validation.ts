import type { FieldPath } from '../../../validation/field-path.ts';

/** A relative path that never steps back. */
export function checkDescendingPath(path: string | undefined, at: FieldPath): void {
  if (path?.startsWith('/')) at.invalid(path, 'must be a relative path');
  checkNoBacksteps(path, at);
}

export function checkNoBacksteps(path: string | undefined, at: FieldPath): void {
  if (path?.split('/').includes('..')) at.invalid(path, "must not contain '..'");
}

/** Names that begin with two dots are the kubelet's own. */
export function checkFilePath(path: string | undefined, at: FieldPath): void {
  checkDescendingPath(path, at);
  if (path?.startsWith('..') && !path.startsWith('../')) at.invalid(path, "must not start with '..'");
}
