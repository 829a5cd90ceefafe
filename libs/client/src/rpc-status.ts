import { type Status, StatusError, serviceUnavailable, timeout, unauthorized, forbidden } from '@orrery/errors';
import { Code, RpcError, toRpcError } from '@orrery/rpc';

const codes: Readonly<Record<number, Code>> = {
  400: Code.INVALID_ARGUMENT,
  401: Code.UNAUTHENTICATED,
  403: Code.PERMISSION_DENIED,
  404: Code.NOT_FOUND,
  405: Code.UNIMPLEMENTED,
  409: Code.ABORTED,
  410: Code.OUT_OF_RANGE,
  429: Code.RESOURCE_EXHAUSTED,
  503: Code.UNAVAILABLE,
  504: Code.DEADLINE_EXCEEDED,
};

/** How a failed Get, List or Watch of `orrery.api.v1` travels: the nearest gRPC code, with the Status as JSON for its message. */
export function statusToRpcError(error: StatusError): RpcError {
  return new RpcError(codes[error.code] ?? Code.INTERNAL, JSON.stringify(error.status));
}

function parseStatus(text: string): Status | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const status = JSON.parse(text) as Status;
    return status.kind === 'Status' ? status : undefined;
  } catch {
    return undefined;
  }
}

/** The inverse; failures below the server become 503, 504, 401 or 403. */
export function rpcErrorToStatus(thrown: unknown): StatusError {
  if (thrown instanceof StatusError) return thrown;
  const error = toRpcError(thrown);
  const status = parseStatus(error.message);
  if (status) return new StatusError(status);
  switch (error.code) {
    case Code.DEADLINE_EXCEEDED:
      return timeout(`request did not complete: ${error.message}`);
    case Code.UNAUTHENTICATED:
      return unauthorized(error.message);
    case Code.PERMISSION_DENIED:
      return forbidden({ group: '', resource: '' }, error.message);
    case Code.UNAVAILABLE:
    case Code.CANCELLED:
      return serviceUnavailable(`the API server cannot be reached: ${error.message}`);
    default:
      return new StatusError({ code: 500, reason: 'InternalError', message: `unexpected gRPC failure ${error.code}: ${error.message}` });
  }
}
