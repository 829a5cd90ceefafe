import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { ForwardPlan } from './contract.ts';

const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings']);

/** What a backend is told: the client's headers without those of the connection, and the plan's in their place. */
export function requestHeaders(headers: IncomingHttpHeaders, plan: Pick<ForwardPlan, 'setHeaders'>, also: Readonly<Record<string, string | undefined>> = {}): OutgoingHttpHeaders {
  const out: OutgoingHttpHeaders = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !hopByHop.has(name) && name[0] !== ':') out[name] = value;
  }
  for (const changes of [plan.setHeaders, also]) {
    for (const name in changes) {
      const value = changes[name];
      if (value === undefined) continue;
      if (value === '') delete out[name];
      else out[name] = value;
    }
  }
  return out;
}

/** What the client is told: the backend's headers without those of the connection, changed as the plan says. */
export function responseHeaders(headers: IncomingHttpHeaders, plan: Pick<ForwardPlan, 'responseHeaders' | 'cookies' | 'hideHeaders'>): OutgoingHttpHeaders {
  const out: OutgoingHttpHeaders = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !hopByHop.has(name) && name[0] !== ':' && !plan.hideHeaders.includes(name)) out[name] = value;
  }
  Object.assign(out, plan.responseHeaders);
  if (plan.cookies.length) out['set-cookie'] = [...[out['set-cookie'] ?? []].flat().map(String), ...plan.cookies];
  return out;
}
