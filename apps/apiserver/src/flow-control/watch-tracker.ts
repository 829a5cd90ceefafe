import type { RequestInfo } from '../pipeline/request-info.ts';

type Target = Pick<RequestInfo, 'group' | 'resource' | 'namespace' | 'name'>;

/** Pods of one node: of these watchers at most one hears of a change. */
const nodeSelector = /(?:^|,)spec\.nodeName=/;

/** Counts open watches, to tell how many a write will wake. */
export class WatchTracker {
  private readonly counts = new Map<string, number>();

  /** A watch has begun; returns how to say that it is over. */
  begin(target: Target, fieldSelector: string): () => void {
    const byNode = target.resource === 'pods' && nodeSelector.test(fieldSelector);
    const key = byNode ? keyOf(target, '', 'spec.nodeName') : keyOf(target, target.namespace, target.name);
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      const left = (this.counts.get(key) ?? 1) - 1;
      if (left > 0) this.counts.set(key, left);
      else this.counts.delete(key);
    };
  }

  /** Watches that a change of the target would go to. */
  interested(target: Target): number {
    const { counts } = this;
    const { namespace, name } = target;
    const at = (ns: string, one: string): number => counts.get(keyOf(target, ns, one)) ?? 0;
    let sum = at('', '') + Math.min(1, at('', 'spec.nodeName'));
    if (namespace) sum += at(namespace, '');
    if (name) sum += at(namespace, name);
    return sum;
  }
}

function keyOf({ group, resource }: Target, namespace: string, name: string): string {
  return `${group}/${resource}/${namespace}/${name}`;
}
