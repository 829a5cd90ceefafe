import { throughFaults } from '../chaos/faulted.ts';
import { FlowRefusal, type FlowTicket } from '../pipeline/flow-control.ts';
import type { RequestScope } from '../registry/registry.ts';
import type { ApiServerCore } from '../server.ts';

type Asking = Pick<RequestScope, 'user' | 'info' | 'signal'>;

/** Waits until a call may run. Rejects with 429 and how long to stay away. */
async function takeTurn({ flowControl }: ApiServerCore, scope: Asking, query?: URLSearchParams): Promise<FlowTicket | undefined> {
  const { user, info } = scope;
  try {
    return await flowControl?.acquire({ user, info, signal: () => scope.signal, ...(query ? { query } : {}) });
  } catch (error) {
    throw error instanceof FlowRefusal ? error.status : error;
  }
}

/** Runs a call in its turn: what components ask over gRPC is classified, queued and counted like REST. */
export async function inTurn<T>(core: ApiServerCore, scope: Asking, run: () => Promise<T>, query?: URLSearchParams): Promise<T> {
  const ticket = await takeTurn(core, scope, query);
  try {
    return await throughFaults(core.registry, scope, run);
  } finally {
    ticket?.release();
  }
}
