import { faultProblems, type Fault } from '@orrery/chaos';
import { badRequest, notFound } from '@orrery/errors';
import type { Exchange } from '../http/exchange.ts';
import type { Registry } from '../registry/registry.ts';

/** Where the faults of this server's requests are told and listed. Only who may do everything is let in (no role names the path). */
export const faultsPath = '/debug/chaos/faults';

const maxBytes = 64 * 1024;
const requestVerbs = new Set(['api-error', 'api-timeout', 'api-delay', 'stale-reads', 'watch-drop', 'watch-delay', 'pause', 'partition']);

function readFault(body: Buffer): { id: string; fault: Fault } {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw badRequest(`the body is no JSON: ${(error as Error).message}`);
  }
  const { id, fault } = (value ?? {}) as { id?: unknown; fault?: Fault };
  if (typeof id !== 'string' || id === '') throw badRequest('id: a name for the fault is needed');
  if (!requestVerbs.has(fault?.verb ?? '')) throw badRequest(`fault.verb: the API server itself does only these: ${[...requestVerbs].join(', ')}`);
  const given = fault as Fault;
  // Who stands still or is cut off is known here by its user alone.
  const checked = given.verb === 'pause' || given.verb === 'partition' ? { verb: 'api-delay', delayMs: 0, selector: given.selector } : given;
  const problems = faultProblems(checked);
  if (problems.length) throw badRequest(problems.map(({ field, why }) => `fault.${field}: ${why}`).join('; '));
  return { id, fault: { ...given, selector: given.selector ?? {} } };
}

/** GET lists the faults in force, PUT adds one (`{"id": …, "fault": …}`), DELETE ends the one of `?id=`, or all. */
export async function serveFaults({ env, faults, feed }: Registry, exchange: Exchange, query: URLSearchParams): Promise<void> {
  const { method } = exchange.request;
  if (method === 'PUT') {
    const { id, fault } = readFault(await exchange.request.body(maxBytes));
    // The past that reads are shown has in it what was acknowledged before the fault began.
    // Where the store does not answer, it is what this server has.
    if (fault.verb === 'stale-reads') await feed.waitForCurrent().catch((error: unknown) => env.log.warn('the past that reads are shown may lack what was written last', { error }));
    faults.add(id, fault);
  } else if (method === 'DELETE') {
    const id = query.get('id');
    if (id === null) faults.clear();
    else if (!faults.remove(id)) throw notFound({ group: '', resource: 'faults', name: id });
  } else if (method !== 'GET') {
    exchange.setHeaders({ allow: 'GET, PUT, DELETE' });
    return exchange.sendText(405, 'method not allowed\n');
  }
  const items = faults.list().map((active) => ({ ...active, struck: faults.struck.get(active.id) ?? 0 }));
  await exchange.sendJson(200, Buffer.from(JSON.stringify({ items })), { encoding: 'json', pretty: exchange.pretty });
}
