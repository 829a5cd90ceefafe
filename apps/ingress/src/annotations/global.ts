import type { RetrySettings } from './settings.ts';
import { BadValue, boolean, bytes, cidrs, codes, count, oneOf, plain, redirectCode, seconds } from './values.ts';

/** nginx's own way to write a line of the access log, by ingress-nginx. */
export const defaultLogFormat =
  '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] ' +
  '[$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id';

/** What the ConfigMap of `--configmap` says: keys and defaults of ingress-nginx. */
export interface GlobalSettings {
  readonly sslRedirect: boolean;
  readonly forceSslRedirect: boolean;
  readonly redirectStatus: number;
  readonly hsts: string;
  readonly logFormat: string;
  readonly accessLog: boolean;
  readonly useForwardedHeaders: boolean;
  readonly computeFullForwardedFor: boolean;
  readonly trustedProxies: readonly string[];
  readonly limitReqStatus: number;
  readonly limitConnStatus: number;
  readonly connectTimeoutSeconds: number;
  readonly sendTimeoutSeconds: number;
  readonly readTimeoutSeconds: number;
  readonly bodyLimit: number;
  readonly retry: RetrySettings;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly hashBy: string;
  readonly loadBalance: 'round_robin' | 'ewma';
  readonly serviceUpstream: boolean;
  readonly customHttpErrors: readonly number[];
  /** Idle connections to backends that are kept; 0: none. */
  readonly keepAliveConnections: number;
  readonly keepAliveSeconds: number;
  /** `namespace/name` of ConfigMaps with headers for replies and for backends. */
  readonly addHeaders: string;
  readonly setHeaders: string;
  readonly hideHeaders: readonly string[];
  readonly whitelistOfCustomHeaders: readonly string[];
}

/** Reads the ConfigMap's data; keys that are not known here change nothing, values that cannot be read are problems and count as absent. */
export function readGlobal(data: Readonly<Record<string, string>>): { settings: GlobalSettings; problems: readonly string[] } {
  const problems: string[] = [];
  const get = <T>(key: string, otherwise: T, read: (text: string) => T): T => {
    const text = data[key];
    if (text === undefined || text === '') return otherwise;
    try {
      return read(text.trim());
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      problems.push(`${key}: ${error.message}`);
      return otherwise;
    }
  };
  const words = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);
  const hsts = get('hsts', true, boolean);
  const parts = [`max-age=${get('hsts-max-age', 31_536_000, count)}`, ...(get('hsts-include-subdomains', true, boolean) ? ['includeSubDomains'] : []), ...(get('hsts-preload', false, boolean) ? ['preload'] : [])];
  const settings: GlobalSettings = {
    sslRedirect: get('ssl-redirect', true, boolean),
    forceSslRedirect: get('force-ssl-redirect', false, boolean),
    redirectStatus: get('http-redirect-code', 308, redirectCode),
    hsts: hsts ? parts.join('; ') : '',
    logFormat: get('log-format-upstream', defaultLogFormat, (text) => text),
    accessLog: !get('disable-access-log', false, boolean) && !get('disable-http-access-log', false, boolean),
    useForwardedHeaders: get('use-forwarded-headers', false, boolean),
    computeFullForwardedFor: get('compute-full-forwarded-for', false, boolean),
    trustedProxies: get('proxy-real-ip-cidr', ['0.0.0.0/0'], cidrs),
    limitReqStatus: get('limit-req-status-code', 503, count),
    limitConnStatus: get('limit-conn-status-code', 503, count),
    connectTimeoutSeconds: get('proxy-connect-timeout', 5, seconds),
    sendTimeoutSeconds: get('proxy-send-timeout', 60, seconds),
    readTimeoutSeconds: get('proxy-read-timeout', 60, seconds),
    bodyLimit: get('proxy-body-size', 1024 ** 2, bytes),
    retry: {
      on: get('proxy-next-upstream', new Set(['error', 'timeout']), (text) => new Set(words(text))),
      tries: get('proxy-next-upstream-tries', 3, count),
      timeoutSeconds: get('proxy-next-upstream-timeout', 0, seconds),
    },
    allow: get('whitelist-source-range', [], cidrs),
    deny: get('denylist-source-range', [], cidrs),
    hashBy: get('upstream-hash-by', '', plain),
    loadBalance: get('load-balance', 'round_robin', oneOf('round_robin', 'ewma')),
    serviceUpstream: get('service-upstream', false, boolean),
    customHttpErrors: get('custom-http-errors', [], codes),
    keepAliveConnections: get('upstream-keepalive-connections', 320, count),
    keepAliveSeconds: get('upstream-keepalive-timeout', 60, seconds),
    addHeaders: get('add-headers', '', plain),
    setHeaders: get('proxy-set-headers', '', plain),
    hideHeaders: get('hide-headers', [], words).map((name) => name.toLowerCase()),
    whitelistOfCustomHeaders: get('global-allowed-response-headers', [], words).map((name) => name.toLowerCase()),
  };
  return { settings, problems };
}
