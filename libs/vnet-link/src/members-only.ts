import { type CallContext, Code, RpcError, type ServedService } from '@orrery/rpc';

/** Groups whose certificates may carry traffic into a switch and program it. */
const memberGroups: readonly string[] = ['orrery:components', 'orrery:switches', 'system:nodes'];

/** Serves only components of the cluster: a certificate of the cluster's CA alone may be a mere user's. */
export function membersOnly({ definition, handlers }: ServedService): ServedService {
  const checked = Object.entries(handlers).map(([method, handler]) => [
    method,
    handler &&
      ((input: never, context: CallContext): unknown => {
        const { commonName = '', organizations = [] } = context.peer;
        if (organizations.some((group) => memberGroups.includes(group))) return handler(input, context);
        throw new RpcError(Code.PERMISSION_DENIED, `EHOSTUNREACH: ${JSON.stringify(commonName)} is no component of the cluster`);
      }),
  ]);
  return { definition, handlers: Object.fromEntries(checked) as ServedService['handlers'] };
}
