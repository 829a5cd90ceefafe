/** gRPC status codes. */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
export type Code = (typeof Code)[keyof typeof Code];

/** What a failed call throws on the client, and what a handler throws to choose the code. */
export class RpcError extends Error {
  readonly code: Code;

  constructor(code: Code, message: string) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
  }
}

/** Translates anything thrown, once, at the boundary. */
export function toRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  const { code, details, message } = error as { code?: unknown; details?: unknown; message?: unknown };
  if (typeof code === 'number' && code >= 0 && code <= 16) return new RpcError(code as Code, String(details ?? message));
  return new RpcError(Code.UNKNOWN, error instanceof Error ? error.message : String(error));
}

/** A failed call as gRPC's Go library prints it: `rpc error: code = NotFound desc = no such thing`. */
export function goStatus({ code, message }: RpcError): string {
  const [name = 'UNKNOWN'] = Object.entries(Code).find(([, value]) => value === code) ?? [];
  const spelled = name === 'CANCELLED' ? 'Canceled' : name.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return `rpc error: code = ${spelled} desc = ${message}`;
}
