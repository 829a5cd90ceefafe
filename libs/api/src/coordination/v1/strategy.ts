import type { FieldPath } from '../../validation/field-path.ts';
import { qualifiedName } from '../../validation/names.ts';

/** How a leader is chosen: Kubernetes' own strategy, or one named by a vendor's domain. */
export function checkStrategy(strategy: string, at: FieldPath): void {
  if (strategy.includes('/')) at.matches(strategy, qualifiedName);
  else if (strategy !== 'OldestEmulationVersion') at.notSupported(strategy, ['OldestEmulationVersion']);
}
