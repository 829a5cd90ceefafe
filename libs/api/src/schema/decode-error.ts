import { badRequest, type StatusError } from '@orrery/errors';

/** A body that is not the object it should be. The message is upstream's, without the words around it. */
export class DecodeError extends Error {
  /** Unknown and duplicate fields only: the object itself is fine. */
  readonly isStrict: boolean;

  constructor(message: string, options: { isStrict?: boolean } = {}) {
    super(message);
    this.isStrict = options.isStrict ?? false;
  }
}

export function strictError(problems: readonly string[]): DecodeError {
  return new DecodeError(`strict decoding error: ${problems.join(', ')}`, { isStrict: true });
}

/** The warnings one problem makes: YAML's come as a list of lines. */
export function warningLines(problem: string): string[] {
  const lines = /^(?:error converting YAML to JSON: )?yaml: unmarshal errors:\n([^]*)$/.exec(problem)?.[1];
  return lines === undefined ? [problem] : lines.split('\n').map((line) => line.trim());
}

function summarize(body: Uint8Array | string): string {
  const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (bytes.length === 0) return '<empty>';
  const head = bytes.subarray(0, 30);
  const text = bytes[0] === 0x7b ? head.toString('utf8') : head.toString('hex');
  return bytes.length > 30 ? `${text} ...` : text;
}

/**
 * The 400 a create or update answers with. `found` is the body's own apiVersion and kind, as far as it could be read.
 */
export function decodeFailure(error: DecodeError, options: { expectedKind: string; body: Uint8Array | string; found?: { apiVersion?: string; kind?: string } }): StatusError {
  const { expectedKind, body, found } = options;
  if (found?.kind) {
    const version = (found.apiVersion ?? '').split('/').at(-1) ?? '';
    return badRequest(`${found.kind} in version ${JSON.stringify(version)} cannot be handled as a ${expectedKind}: ${error.message}`);
  }
  return badRequest(`the object provided is unrecognized (must be of type ${expectedKind}): ${error.message} (${summarize(body)})`);
}
