import type { FieldPath } from '../../validation/field-path.ts';

const short: readonly (readonly [string, string])[] = [
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
];

/** `RWO,ROX`, each once, in upstream's order. */
export function formatAccessModes(modes: readonly string[] | undefined): string {
  return short.filter(([mode]) => modes?.includes(mode)).map(([, letters]) => letters).join(',');
}

export function checkAccessModes(modes: readonly string[], at: FieldPath): void {
  for (const mode of modes) if (!short.some(([known]) => known === mode)) at.notSupported(mode, ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']);
  const others = modes.some((mode) => mode !== 'ReadWriteOncePod' && short.some(([known]) => known === mode));
  if (modes.includes('ReadWriteOncePod') && others) at.forbidden('may not use ReadWriteOncePod with other access modes');
}
