import { StatusError, qualifiedResource } from './status-error.ts';

/** An HTTP failure that came without a Status: a page of a proxy's, say. */
export interface UnexpectedResponse {
  readonly code: number;
  /** Of HTTP, in either case. */
  readonly method?: string | undefined;
  /** What was asked for; not given for paths that name no resource. */
  readonly group?: string | undefined;
  readonly resource?: string | undefined;
  readonly name?: string | undefined;
  /** The body, `unknown` when it was no text. */
  readonly text: string;
  readonly retryAfterSeconds?: number | undefined;
}

type Told = readonly [reason: string, message: string];

/** By code. Conflict, 403, 406 and 415 depend on more: see `told`. */
const byCode: Readonly<Record<number, Told>> = {
  400: ['BadRequest', 'the server rejected our request for an unknown reason'],
  401: ['Unauthorized', 'the server has asked for the client to provide credentials'],
  404: ['NotFound', 'the server could not find the requested resource'],
  405: ['MethodNotAllowed', 'the server does not allow this method on the requested resource'],
  422: ['Invalid', 'the server rejected our request due to an error in our request'],
  429: ['TooManyRequests', 'the server has received too many requests and has asked us to try again later'],
  503: ['ServiceUnavailable', 'the server is currently unable to handle the request'],
  504: ['Timeout', 'the server was unable to return a response in the time allotted, but may still be processing the request'],
};

const unsupportedContent = 'the server was unable to respond with a content type that the client supports';

function told({ code, method, text }: UnexpectedResponse): Told {
  const known = byCode[code];
  if (known) return known;
  if (code === 403) return ['Forbidden', text];
  if (code === 406) return ['NotAcceptable', text === '' || text === 'unknown' ? unsupportedContent : text];
  if (code === 409) return [method?.toUpperCase() === 'POST' ? 'AlreadyExists' : 'Conflict', 'the server reported a conflict'];
  if (code === 415) return ['UnsupportedMediaType', text];
  if (code >= 500) return ['InternalError', `an error on the server (${JSON.stringify(text)}) has prevented the request from succeeding`];
  return ['Unknown', `the server responded with the status code ${code} but did not return more information`];
}

/** The Status that client-go makes of such a failure, in its words. */
export function unexpectedResponse(response: UnexpectedResponse): StatusError {
  const { code, method = '', group = '', resource = '', name = '', text, retryAfterSeconds = 0 } = response;
  const [reason, message] = told(response);
  const asked = group || resource ? ` (${[method.toLowerCase(), qualifiedResource({ group, resource }), name].filter(Boolean).join(' ')})` : '';
  const details = {
    ...(name ? { name } : {}),
    ...(group ? { group } : {}),
    ...(resource ? { kind: resource } : {}),
    causes: [{ reason: 'UnexpectedServerResponse', ...(text ? { message: text } : {}) }],
    ...(retryAfterSeconds ? { retryAfterSeconds } : {}),
  };
  return new StatusError({ code, reason, message: `${message}${asked}`, details });
}
