import type { Env } from '@orrery/runtime';
import { parseGoDuration } from '@orrery/runtime';
import type { Token } from '../corefile/lexer.ts';
import { type Line, CorefileError, argumentError, errorAt } from '../corefile/parser.ts';
import { inZone, normalizeZone } from '../corefile/zones.ts';
import type { Handler, Query, Reply } from '../message.ts';
import type { DnsWorld } from '../world.ts';

/** A plugin of one server block. */
export interface Plugin {
  /** Answers, or asks whoever comes next. */
  readonly handle?: (query: Query, next: Handler) => Promise<Reply>;
  /** Before the block answers. */
  start?(): void | Promise<void>;
  stop?(): void | Promise<void>;
  /** Asked by the `ready` plugin. */
  ready?(): boolean;
}

/** What a plugin is made with. */
export interface PluginContext {
  readonly env: Env;
  readonly world: DnsWorld;
  /** Zones of the server block. */
  readonly zones: readonly string[];
  /** As in metrics and messages: `dns://:53`. */
  readonly server: string;
  /** The whole server from its beginning: who asks for an alias's target. */
  readonly resolve: Handler;
  /** Serves `path` of HTTP on a port of this server's own address. */
  readonly http: (endpoint: HttpEndpoint) => void;
  /** All plugins of all blocks that are not ready, by name. */
  readonly notReady: () => readonly string[];
  /** Ends the program with a reason. */
  readonly fatal: (reason: string) => void;
}

export interface HttpEndpoint {
  readonly address: { readonly ip: string; readonly port: number };
  readonly path: string;
  answer(): { readonly status: number; readonly body: string; readonly type?: string };
}

/** Makes the plugin of all lines of one directive in one block; undefined when there is nothing to do. Throws CorefileError. */
export type Setup = (lines: readonly [Line, ...Line[]], context: PluginContext) => Plugin | undefined;

/** Where a plugin lets names go on that it has no answer for. */
export type Fallthrough = (name: string) => boolean;

export const noFallthrough: Fallthrough = () => false;

/** `fallthrough [ZONES...]`: all names, or those of the zones. */
export function fallthroughOf(line: Line): Fallthrough {
  const zones = line.args.length ? zonesOf(line.args, []) : [''];
  return (name) => zones.some((zone) => inZone(name, zone));
}

/** The zones that words name, or those of the block. */
export function zonesOf(args: readonly Token[], otherwise: readonly string[]): string[] {
  return args.length ? args.flatMap((arg) => normalizeZone(arg.text)) : [...otherwise];
}

/** The one line of a directive that may come once. */
export function onlyOnce(lines: readonly [Line, ...Line[]]): Line {
  const second = lines[1];
  if (second) throw errorAt(second.name, 'this plugin can only be used once per Server Block');
  return lines[0];
}

export function noArguments(line: Line): void {
  if (line.args.length) throw argumentError(line);
}

/** The only argument of a line. */
export function oneArgument(line: Line): Token {
  const [first] = line.args;
  if (!first || line.args.length > 1) throw argumentError(line);
  return first;
}

/** A whole number. In words as Go's strconv.Atoi refuses others. */
export function integer(token: Token): number {
  if (!/^[+-]?\d+$/.test(token.text)) throw errorAt(token, `strconv.Atoi: parsing ${JSON.stringify(token.text)}: invalid syntax`);
  return Number(token.text);
}

/** Milliseconds. */
export function duration(token: Token): number {
  try {
    return parseGoDuration(token.text);
  } catch (error) {
    throw errorAt(token, (error as Error).message);
  }
}

/** A duration, or a number that counts seconds. */
export function durationOrSeconds(token: Token): number {
  return /^\d+$/.test(token.text) ? Number(token.text) * 1000 : duration(token);
}

export function regex(token: Token): RegExp {
  try {
    // Go's flags stand in front.
    const [, flags = '', rest = ''] = /^\(\?([ims]+)\)(.*)$/s.exec(token.text) ?? [undefined, '', token.text];
    return new RegExp(rest.replaceAll('(?P<', '(?<'), flags);
  } catch (error) {
    throw errorAt(token, `invalid regular expression ${JSON.stringify(token.text)}: ${(error as Error).message}`);
  }
}

/** `[HOST]:PORT` of a plugin that serves HTTP. */
export function listenAddress(token: Token | undefined, otherwise: number): { ip: string; port: number } {
  if (!token) return { ip: '', port: otherwise };
  const match = /^(.*):(\d+)$/.exec(token.text);
  if (!match || Number(match[2]) > 65_535) throw errorAt(token, `invalid address '${token.text}': it takes [HOST]:PORT`);
  return { ip: (match[1] ?? '').replace(/^\[|\]$/g, ''), port: Number(match[2]) };
}

export { CorefileError, argumentError, errorAt };
export type { Line };

/** An error at a line that names the plugin, as CoreDNS reports it. */
export function pluginError(plugin: string, error: unknown): unknown {
  return error instanceof CorefileError ? new CorefileError(`plugin/${plugin}: ${error.message}`) : error;
}
