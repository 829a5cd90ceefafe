import { Code, RpcError } from '../rpc-error.ts';
import type { Header } from './hpack.ts';

/** What the headers of a gRPC call say. */
export interface CallHead {
  readonly httpMethod: string;
  readonly path: string;
  readonly contentType: string;
  readonly encoding: string;
  /** Undefined: the caller waits for as long as it takes. */
  readonly timeoutMs: number | undefined;
  /** The caller's own headers; of doubles the first. Values of `-bin` keys are decoded. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Why the call cannot be carried out. */
  readonly refusal: RpcError | undefined;
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };
/** Headers of the protocol itself; the rest is metadata. */
const reserved = new Set(['te', 'content-type', 'grpc-timeout', 'grpc-encoding', 'grpc-accept-encoding', 'connection', 'host']);

function timeoutOf(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * (unitMs[unit] as number);
}

function textOf(name: string, value: string): string {
  return name.endsWith('-bin') ? Buffer.from(value, 'base64').toString() : value;
}

export function callHead(headers: readonly Header[]): CallHead {
  const fields = new Map<string, string>();
  const metadata: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of headers) {
    if (fields.has(name)) continue;
    fields.set(name, value);
    if (!name.startsWith(':') && !reserved.has(name)) metadata[name] = textOf(name, value);
  }
  const timeout = fields.get('grpc-timeout');
  const timeoutMs = timeout === undefined ? undefined : timeoutOf(timeout);
  return {
    httpMethod: fields.get(':method') ?? '',
    path: fields.get(':path') ?? '',
    contentType: fields.get('content-type') ?? '',
    encoding: fields.get('grpc-encoding') ?? 'identity',
    timeoutMs,
    metadata: Object.freeze(metadata),
    refusal: timeout !== undefined && timeoutMs === undefined ? new RpcError(Code.INTERNAL, `malformed grpc-timeout: ${JSON.stringify(timeout)}`) : undefined,
  };
}
