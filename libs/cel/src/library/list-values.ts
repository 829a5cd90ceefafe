import { celEqual, memberKey } from '../eval/equality.ts';
import type { ListSemantics } from '../types.ts';
import { CelList, type CelValue } from '../values.ts';

const withSemantics = ({ semantics }: CelList): { readonly semantics?: ListSemantics } => (semantics ? { semantics } : {});

function union(a: CelList, b: CelList): CelList {
  const items = a.values();
  return new CelList([...items, ...b.values().filter((item) => !items.some((one) => celEqual(one, item)))], withSemantics(a));
}

/** Members of `b` take the places of those of `a` with the same keys; others follow. */
function merge(a: CelList, b: CelList, keys: readonly string[]): CelList {
  const merged = new Map<string, CelValue>(a.values().map((member) => [memberKey(member, keys), member]));
  for (const member of b.values()) merged.set(memberKey(member, keys), member);
  return new CelList([...merged.values()], withSemantics(a));
}

/** `a + b`: x-kubernetes-list-type set and map keep their members apart. */
export function concatenate(a: CelList, b: CelList): CelList {
  if (a.semantics?.kind === 'set') return union(a, b);
  if (a.semantics?.kind === 'map') return merge(a, b, a.semantics.keys);
  return new CelList([a, b], { isSum: true });
}
