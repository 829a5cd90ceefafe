import type { HttpResponse } from '@orrery/node-io';

/** A refusal with a plain text body, as the kubelet gives them. */
export class HttpFault extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** What Go's multiplexer says of a path that nobody serves. */
export const notFound = (): HttpFault => new HttpFault(404, '404 page not found\n');

export function sendText(response: HttpResponse, status: number, text: string): void {
  response.send(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }, text);
}

export function sendJson(response: HttpResponse, value: unknown): void {
  response.send(200, { 'content-type': 'application/json' }, JSON.stringify(value));
}

/** A whole reply of that media type. */
export function sendBytes(response: HttpResponse, contentType: string, body: Uint8Array | string): void {
  response.send(200, { 'content-type': contentType }, body);
}
