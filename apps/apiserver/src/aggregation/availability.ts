import { APIServices, EndpointSlices, Services } from '@orrery/api';
import type { APIService, APIServiceCondition, EndpointSlice } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import type { ObjectReader } from '../pipeline/index.ts';
import { type RemoteService, availability, remoteService, rootPath } from './api-service.ts';
import { type ConnectionNeeds, authority, endpointOf, fetchFrom } from './connection.ts';

/** A check's verdict: the condition without its time. */
export type Verdict = Pick<APIServiceCondition, 'status' | 'reason' | 'message'>;

const probes = 5;
const probeTimeoutMs = 5_000;

const no = (reason: string, message: string): Verdict => ({ status: 'False', reason, message });

export const localVerdict: Verdict = { status: 'True', reason: 'Local', message: 'Local APIServices are always available' };

function hasEndpoint(slices: readonly EndpointSlice[], portName: string): boolean {
  return slices.some((slice) => (slice.endpoints ?? []).some(({ conditions }) => conditions?.ready !== false) && (slice.ports ?? []).some((port) => (port.name ?? '') === portName && port.port !== undefined));
}

/** What the objects alone say; undefined: nothing against it. */
export function checkObjects({ service }: RemoteService, read: ObjectReader): Verdict | undefined {
  const { name, namespace, port } = service;
  const where = `service/${name} in ${JSON.stringify(namespace)}`;
  const found = read.get(Services, { namespace, name });
  if (!found) return no('ServiceNotFound', `${where} is not present`);
  if ((found.spec?.type ?? 'ClusterIP') !== 'ClusterIP') return undefined;
  const served = found.spec?.ports?.find((one) => one.port === port);
  if (!served) return no('ServicePortError', `${where} is not listening on port ${port}`);
  const slices = read.list(EndpointSlices, namespace).filter((slice) => slice.metadata?.labels?.['kubernetes.io/service-name'] === name);
  if (!slices.length) return no('EndpointsNotFound', `cannot find endpointslices for ${where}`);
  if (!hasEndpoint(slices, served.name ?? '')) return no('MissingEndpoints', `endpointslices for ${where} have no addresses with port name ${JSON.stringify(served.name ?? '')}`);
  return undefined;
}

async function probe(remote: RemoteService, needs: ConnectionNeeds): Promise<void> {
  const to = endpointOf(remote, needs);
  const path = rootPath(remote);
  const url = `https://${authority(to)}${path}`;
  let status: number;
  try {
    ({ status } = await fetchFrom(remote, { to, path }, { needs, isUnverified: true, timeoutMs: probeTimeoutMs }));
  } catch (error) {
    throw new Error(`failing or missing response from ${url}: Get ${JSON.stringify(url)}: ${(error as Error).message}`, { cause: error });
  }
  if (status < 200 || status > 299) throw new Error(`failing or missing response from ${url}: bad status from ${url}: ${status}`);
}

/** Is the server there? Several endpoints may be asked; one that answers is enough. */
export async function checkRemote(remote: RemoteService, needs: ConnectionNeeds): Promise<Verdict> {
  const against = checkObjects(remote, needs.read);
  if (against) return against;
  try {
    await Promise.any(Array.from({ length: probes }, () => probe(remote, needs)));
    return { status: 'True', reason: 'Passed', message: 'all checks passed' };
  } catch (error) {
    const last = error instanceof AggregateError ? (error.errors.at(-1) as Error) : (error as Error);
    return no('FailedDiscoveryCheck', last.message);
  }
}

/** The object with the verdict in its status; undefined when it says so already. */
export function withVerdict(object: APIService, verdict: Verdict, nowMs: number): APIService | undefined {
  const known = availability(object);
  if (known && known.status === verdict.status && known.reason === verdict.reason && known.message === verdict.message) return undefined;
  const lastTransitionTime = known?.status === verdict.status ? known.lastTransitionTime : rfc3339(nowMs);
  const condition = { type: 'Available', ...verdict, ...(lastTransitionTime === undefined ? {} : { lastTransitionTime }) } as APIServiceCondition;
  const all = object.status?.conditions ?? [];
  return { ...object, status: { ...object.status, conditions: known ? all.map((one) => (one === known ? condition : one)) : [...all, condition] } };
}

export interface AvailabilityContext extends ConnectionNeeds {
  readonly write: (object: APIService) => Promise<unknown>;
  /** Told of every APIService that has become unavailable, or is so for another reason. */
  readonly unavailable: (name: string, reason: string) => void;
}

/** One round for one APIService: resolves with whether it has to be asked again soon. */
export async function reconcileAvailability(name: string, context: AvailabilityContext): Promise<boolean> {
  const object = context.read.get(APIServices, { name });
  if (!object) return false;
  const remote = remoteService(object);
  const verdict = remote ? await checkRemote(remote, context) : localVerdict;
  const changed = withVerdict(object, verdict, context.env.clock.now());
  if (changed) {
    await context.write(changed);
    if (verdict.status !== 'True') context.unavailable(name, verdict.reason ?? '');
  }
  return verdict.reason === 'FailedDiscoveryCheck';
}
