import type { KindDescriptor } from '@orrery/api';
import type { BoundCounter, BoundGauge, BoundHistogram, Counter, Env, Gauge, Histogram } from '@orrery/runtime';
import type { ParsedRequest } from '../http/request-path.ts';
import type { KindLookup } from '../pipeline/plugin-set.ts';
import type { RequestInfo } from '../pipeline/request-info.ts';

const durationBuckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
const sliBuckets = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
const sizeBuckets = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

const verbs = new Set(['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection', 'post', 'put', 'head', 'options']);
const connecting = new Set(['exec', 'attach', 'portforward', 'proxy']);
/** Paths that are no resources and have a name of their own in metrics; all others share the empty one. */
const knownPaths = new Set(['/healthz', '/livez', '/readyz', '/metrics', '/metrics/slis', '/version', '/api', '/apis', '/openapi/v2', '/openapi/v3', '/']);
/** Shapes that are remembered; there are as many as resources, verbs and scopes. */
const maxShapes = 20_000;

/** The upper-case verb as upstream reports it: what applies is APPLY, what connects CONNECT, what nobody knows `other`. */
function reportedVerb(info: RequestInfo, isApply: boolean): string {
  if (connecting.has(info.subresource)) return 'CONNECT';
  if (info.verb === 'patch' && isApply) return 'APPLY';
  return verbs.has(info.verb) ? info.verb.toUpperCase() : 'other';
}

function scopeOf(info: RequestInfo): string {
  if (info.name || info.verb === 'create') return 'resource';
  if (info.namespace) return 'namespace';
  return info.isResource ? 'cluster' : '';
}

/** The series of requests of one shape: looked up once, then only counted. */
interface Shape {
  readonly labels: Readonly<Record<string, string>>;
  readonly dryRun: string;
  readonly codes: Map<number, BoundCounter>;
  readonly duration: BoundHistogram;
  readonly sli: BoundHistogram;
  readonly sizes: BoundHistogram | undefined;
  longRunning: BoundGauge | undefined;
}

export interface Finished {
  readonly code: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly isLongRunning: boolean;
  /** Seconds spent waiting for webhooks and in queues: not the server's own slowness. */
  readonly waitedSeconds: number;
}

/** The metrics `apiserver_request_*` and their kin, named and labelled as upstream's; labels take values from bounded sets only. */
export class RequestMetrics {
  private readonly kinds: KindLookup;
  private readonly total: Counter;
  private readonly duration: Histogram;
  private readonly sli: Histogram;
  private readonly sizes: Histogram;
  private readonly longRunning: Gauge;
  private readonly terminations: Counter;
  private readonly aborts: Counter;
  private readonly deprecated: Gauge;
  private readonly shapes = new Map<string, Shape>();

  constructor({ metrics }: Pick<Env, 'metrics'>, kinds: KindLookup) {
    this.kinds = kinds;
    this.total = metrics.counter('apiserver_request_total', 'Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.');
    this.duration = metrics.histogram('apiserver_request_duration_seconds', 'Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.', durationBuckets);
    this.sli = metrics.histogram('apiserver_request_sli_duration_seconds', 'Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in seconds for each verb, group, version, resource, subresource, scope and component.', sliBuckets);
    this.sizes = metrics.histogram('apiserver_response_sizes', 'Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.', sizeBuckets);
    this.longRunning = metrics.gauge('apiserver_longrunning_requests', 'Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.');
    this.deprecated = metrics.gauge('apiserver_requested_deprecated_apis', 'Gauge of deprecated APIs that have been requested, broken out by API group, version, resource, subresource, and removed_release.');
    this.terminations = metrics.counter('apiserver_request_terminations_total', 'Number of requests which apiserver terminated in self-defense.');
    this.aborts = metrics.counter('apiserver_request_aborts_total', 'Number of requests which apiserver aborted possibly due to a timeout, for each group, version, verb, resource, subresource and scope');
  }

  /** Once for each resource that is deprecated; of custom ones upstream does not tell. */
  private noteDeprecation(kind: KindDescriptor, { group, version, resource, subresource }: RequestInfo): void {
    const isDeprecated = kind.deprecation !== undefined || kind.kind === 'ComponentStatus';
    if (isDeprecated && !kind.schema) this.deprecated.set(1, { group, version, resource, subresource, removed_release: '' });
  }

  shapeOf({ info, query }: ParsedRequest, contentType: string | undefined): Shape {
    const isApply = info.verb === 'patch' && (contentType ?? '').startsWith('application/apply-patch');
    const verb = reportedVerb(info, isApply);
    const scope = scopeOf(info);
    const dryRun = query.size && query.has('dryRun') ? 'All' : '';
    const key = info.isResource ? `${verb} ${info.group}/${info.version}/${info.resource}/${info.subresource} ${scope} ${dryRun}` : `${verb} ${info.path}`;
    let shape = this.shapes.get(key);
    if (!shape) {
      shape = this.newShape(info, { verb, scope, dryRun });
      if (this.shapes.size < maxShapes) this.shapes.set(key, shape);
    }
    return shape;
  }

  finished(shape: Shape, { code, bytes, seconds, isLongRunning, waitedSeconds }: Finished): void {
    let counter = shape.codes.get(code);
    if (!counter) {
      counter = this.total.with({ ...shape.labels, dry_run: shape.dryRun, code: String(code) });
      shape.codes.set(code, counter);
    }
    counter.inc();
    shape.sizes?.observe(bytes);
    if (isLongRunning) return;
    shape.duration.observe(seconds);
    if (!shape.dryRun) shape.sli.observe(Math.max(0, seconds - waitedSeconds));
  }

  long(shape: Shape, by: 1 | -1): void {
    shape.longRunning ??= this.longRunning.with(shape.labels);
    shape.longRunning.add(by);
  }

  /** The server ended the request itself: turned away, or out of time. */
  terminated(shape: Shape, code: number): void {
    this.terminations.inc({ ...shape.labels, code: String(code) });
  }

  aborted(shape: Shape): void {
    const { component: _component, ...labels } = shape.labels;
    this.aborts.inc(labels);
  }

  private newShape(info: RequestInfo, { verb, scope, dryRun }: { verb: string; scope: string; dryRun: string }): Shape {
    const kind = info.isResource ? this.kinds.get(info.group, info.version, info.resource) : undefined;
    if (kind) this.noteDeprecation(kind, info);
    const known = kind !== undefined && (info.subresource === '' || kind.subresources.some(({ name }) => name === info.subresource) || connecting.has(info.subresource) || info.subresource === 'log');
    const where = known
      ? { group: info.group, version: info.version, resource: info.resource, subresource: info.subresource }
      : { group: '', version: '', resource: '', subresource: knownPaths.has(info.path) ? info.path : '' };
    const labels = { verb, ...where, scope, component: 'apiserver' };
    return {
      labels,
      dryRun,
      codes: new Map(),
      duration: this.duration.with({ ...labels, dry_run: dryRun }),
      sli: this.sli.with(labels),
      sizes: verb === 'GET' || verb === 'LIST' ? this.sizes.with(labels) : undefined,
      longRunning: undefined,
    };
  }
}

export type { Shape as RequestShape };
