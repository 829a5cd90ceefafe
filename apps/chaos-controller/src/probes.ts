import { Deployments, Nodes } from '@orrery/api';
import type { ApiClient } from '@orrery/client';
import type { Sample } from '@orrery/chaos';
import { type Env, timeoutSignal } from '@orrery/runtime';

/** A server that takes longer does not answer. */
const patienceMs = 2_000;

export const serverAnswers = 'the API server answers';

/** Looks at a cluster as its users do: does the API server answer, are nodes Ready, are Deployments available? */
export async function probe({ clock }: Pick<Env, 'clock'>, api: ApiClient): Promise<Sample[]> {
  const over = new AbortController();
  const signal = timeoutSignal(clock, patienceMs, over.signal);
  const late = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error(`no answer within ${patienceMs} ms`)), { once: true }));
  try {
    const [nodes, deployments] = await Promise.race([Promise.all([api.list(Nodes), api.list(Deployments)]), late]);
    const unready = nodes.items.map(({ metadata, status }): Sample => {
      const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
      return { what: `node ${metadata?.name} is Ready`, trouble: ready === 'True' ? undefined : `Ready is ${ready ?? 'not told'}` };
    });
    const short = deployments.items.map(({ metadata, spec, status }): Sample => {
      const [wanted, there] = [spec?.replicas ?? 1, status?.availableReplicas ?? 0];
      return { what: `deployment ${metadata?.namespace}/${metadata?.name} is available`, trouble: there >= wanted ? undefined : `${there} of ${wanted} replicas` };
    });
    return [{ what: serverAnswers, trouble: undefined }, ...unready, ...short];
  } catch (error) {
    return [{ what: serverAnswers, trouble: (error as Error).message }];
  } finally {
    over.abort();
  }
}
