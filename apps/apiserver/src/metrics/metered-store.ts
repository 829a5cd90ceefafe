import type { BoundCounter, BoundHistogram, Clock, Metrics } from '@orrery/runtime';
import type { EtcdStore } from '../storage/etcd-store.ts';

const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

interface Operation {
  readonly seconds: BoundHistogram;
  readonly total: BoundCounter;
  readonly errors: BoundCounter;
}

/** The resource whose objects lie at a key; empty for what is no object. */
export type ResourceOf = (key: string) => { readonly group: string; readonly resource: string };

/** Times every call of the store: `etcd_request_duration_seconds` and its kin, by operation and resource as upstream. */
export function meteredStore(store: EtcdStore, { metrics, clock }: { metrics: Metrics; clock: Clock }, resourceOf: ResourceOf): EtcdStore {
  const seconds = metrics.histogram('etcd_request_duration_seconds', 'Etcd request latency in seconds for each operation and object type.', buckets);
  const total = metrics.counter('etcd_requests_total', 'Etcd request counts for each operation and object type.');
  const errors = metrics.counter('etcd_request_errors_total', 'Etcd failed request counts for each operation and object type.');
  const operations = new Map<string, Operation>();
  const operationOf = (operation: string, key: string): Operation => {
    const { group, resource } = resourceOf(key);
    const id = `${operation} ${group}/${resource}`;
    let found = operations.get(id);
    if (!found) {
      const labels = { operation, group, resource };
      operations.set(id, (found = { seconds: seconds.with(labels), total: total.with(labels), errors: errors.with(labels) }));
    }
    return found;
  };
  /** The call's own promise, so that whoever waits for it waits for nothing else. */
  const timed = <T>({ seconds, total, errors }: Operation, make: () => Promise<T>): Promise<T> => {
    const from = clock.monotonic();
    const over = (): void => seconds.observe((clock.monotonic() - from) / 1000);
    total.inc();
    const call = make();
    call.then(over, () => {
      errors.inc();
      over();
    });
    return call;
  };
  return {
    ...store,
    get: (key) => timed(operationOf('get', key), () => store.get(key)),
    range: (prefix, options) => timed(operationOf('list', prefix), () => store.range(prefix, options)),
    commit(writes) {
      const [first] = writes;
      const kind = first === undefined || 'check' in first ? 'update' : 'delete' in first ? 'delete' : first.expect === 0 ? 'create' : 'update';
      return timed(operationOf(kind, first?.key ?? ''), () => store.commit(writes));
    },
  };
}
