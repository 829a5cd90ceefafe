import { cache } from './cache.ts';
import { errors } from './errors.ts';
import { forward } from './forward.ts';
import { accepted, debug, health, prometheus, ready } from './health.ts';
import { hosts } from './hosts.ts';
import { kubernetes } from './kubernetes.ts';
import { loadbalance } from './loadbalance.ts';
import { log } from './log.ts';
import { loop } from './loop.ts';
import type { Setup } from './plugin.ts';
import { rewrite } from './rewrite.ts';
import { acl, any, bufsize, chaos, localNames, minimal, whoami } from './small.ts';
import { template } from './template.ts';

/** Every directive this server knows, in the order queries pass them: CoreDNS's own (plugin.cfg). */
export const plugins: ReadonlyMap<string, Setup> = new Map<string, Setup>([
  ['metadata', accepted],
  ['cancel', accepted],
  ['reload', accepted],
  ['bufsize', bufsize],
  ['bind', accepted],
  ['debug', debug],
  ['ready', ready],
  ['health', health],
  ['prometheus', prometheus],
  ['errors', errors],
  ['log', log],
  ['local', localNames],
  ['acl', acl],
  ['any', any],
  ['chaos', chaos],
  ['loadbalance', loadbalance],
  ['cache', cache],
  ['rewrite', rewrite],
  ['minimal', minimal],
  ['template', template],
  ['hosts', hosts],
  ['kubernetes', kubernetes],
  ['loop', loop],
  ['forward', forward],
  ['whoami', whoami],
]);
