import type { Fault } from '@orrery/proto/cloud';
import { Code, RpcError, type ServedService } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import type { Table } from './ledger.ts';

/** Trouble on purpose: failures and delays by method, kept over restarts. */
export interface Faults {
  set(fault: Fault): Fault;
  /** Of that method; '' all. */
  clear(method: string): Fault[];
  list(): Fault[];
  /** The service with planted trouble before each of its methods. */
  guard(service: ServedService): ServedService;
}

function check({ method = '', code = 0, percent = 0, latencyMs = 0 }: Fault): void {
  if (!/^(\*|[A-Za-z]+\/(\*|[A-Za-z]+))$/.test(method)) throw new RpcError(Code.INVALID_ARGUMENT, `method: ${JSON.stringify(method)} is not SERVICE/METHOD, SERVICE/* or *`);
  if (code > 16) throw new RpcError(Code.INVALID_ARGUMENT, `code: ${code} is no gRPC status`);
  if (percent > 100) throw new RpcError(Code.INVALID_ARGUMENT, `percent: ${percent} is more than 100`);
  if (!code && !latencyMs) throw new RpcError(Code.INVALID_ARGUMENT, 'code or latency_ms is required');
}

/** The planted fault of the narrowest pattern that meets a method. */
function faultOf(faults: Table<Fault>, service: string, method: string): Fault | undefined {
  return faults.get(`${service}/${method}`) ?? faults.get(`${service}/*`) ?? faults.get('*');
}

export function createFaults(env: Env, faults: Table<Fault>): Faults {
  /** Waits and throws as was planted. */
  const meet = async (service: string, method: string, signal: AbortSignal): Promise<void> => {
    const fault = faultOf(faults, service, method);
    if (!fault || (fault.percent && env.random.int(100) >= fault.percent)) return;
    if (fault.count === 1) faults.delete(fault.method ?? '');
    else if (fault.count) faults.put(fault.method ?? '', { ...fault, count: fault.count - 1 });
    if (fault.latencyMs) await env.clock.sleep(fault.latencyMs, signal);
    if (fault.code) throw new RpcError(fault.code as Code, fault.message || `planted failure of ${service}/${method}`);
  };
  return {
    set(fault) {
      check(fault);
      faults.put(fault.method ?? '', fault);
      return fault;
    },
    clear(method) {
      const gone = [...faults.values()].filter((fault) => !method || fault.method === method);
      for (const fault of gone) faults.delete(fault.method ?? '');
      return gone;
    },
    list: () => [...faults.values()],
    guard({ definition, handlers }) {
      const guarded = Object.entries(handlers).map(([key, handler]) => {
        const name = definition.methods[key]?.name ?? key;
        const call = async (input: never, context: { signal: AbortSignal }): Promise<unknown> => {
          if (faults.size) await meet(definition.name, name, context.signal);
          return handler?.(input, context as Parameters<NonNullable<typeof handler>>[1]);
        };
        return [key, handler && call];
      });
      return { definition, handlers: Object.fromEntries(guarded) as ServedService['handlers'] };
    },
  };
}
