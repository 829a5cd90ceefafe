import type { HttpRequest } from '../../net/http-server.ts';
import type { Proc } from '../../process/proc.ts';
import type { Location, NginxConfig, VirtualServer } from './model.ts';
import type { Scope } from './scope.ts';

export const nginxVersion = '1.27.5';

export type LogLevel = 'debug' | 'info' | 'notice' | 'warn' | 'error' | 'crit' | 'alert' | 'emerg';

/** Counters that stub_status shows. */
export interface Counters {
  accepted: number;
  requests: number;
  active: number;
}

/** A started server as its requests see it. */
export interface Instance {
  readonly proc: Proc;
  readonly config: NginxConfig;
  readonly counters: Counters;
  /** Where the next request to an upstream starts. */
  readonly turns: Map<string, number>;
  log(scope: Scope, level: LogLevel, message: string): void;
}

/** One request on its way through locations and internal redirects. */
export interface Exchange {
  readonly instance: Instance;
  readonly request: HttpRequest;
  readonly server: VirtualServer;
  readonly connection: number;
  readonly startedAtMs: number;
  /** The current URI, decoded, without arguments. */
  uri: string;
  args: string;
  method: string;
  /** The innermost block that applies. */
  scope: Scope;
  /** The locations that apply, outer before inner. */
  locations: readonly Location[];
  readonly variables: Map<string, string>;
  captures: readonly string[];
  /** An internal redirect led here. */
  internal: boolean;
  /** The URI is no longer the one that was asked for. */
  rewritten: boolean;
  redirects: number;
  /** The status an error_page keeps; null: that of the page itself. */
  errorStatus?: number | null;
  upstreamAddress?: string;
  upstreamStatus?: string;
  upstreamHeaders?: Readonly<Record<string, string>>;
  proxyHost?: string;
  /** Known once the reply is made. */
  status?: number;
  bodyBytes: number;
  replyHeaders?: Readonly<Record<string, string>>;
}
