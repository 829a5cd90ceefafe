import { textOrFile } from '@orrery/node-io/text-file';
import { clusterRoles } from '../bootstrap/cluster-roles.ts';
import { followFile } from '../identity/followed-file.ts';
import { chainAuthorizers } from '../pipeline/access.ts';
import type { Authorizer, PluginFactory } from '../pipeline/index.ts';
import { escalationCheck } from './escalation.ts';
import { authorizersOfFile, authorizersOfFlags } from './modes.ts';
import { NodeIndex } from './node-index.ts';
import { nodeAuthorizer } from './node.ts';
import { rbacAuthorizer } from './rbac.ts';
import { rbacIndexOf } from './rbac-index.ts';
import { type ResolvingAuthorizer, joinRules, setRuleResolver } from './rule-resolver.ts';
import { systemMastersAuthorizer } from './system-masters.ts';

/** The configured authorizers after the one for system:masters; indexes start with the server, and a configuration file is followed. */
export const authorizationPlugin: PluginFactory = (context) => {
  const { config, env } = context;
  const rbac = rbacIndexOf(context);
  const nodes = new NodeIndex(context.read);
  const nodeRole = clusterRoles.find((role) => role.name === 'system:node');
  const standing = { node: nodeAuthorizer({ index: nodes, read: context.read, rules: nodeRole?.rules ?? [] }), rbac: rbacAuthorizer(rbac) };
  const needs = { env, config, standing };
  const path = config.authorizationConfig;
  const text = path ? textOrFile(path) : '';
  let configured: readonly ResolvingAuthorizer[] = path ? authorizersOfFile(text, needs) : authorizersOfFlags(needs);
  let chain = chainAuthorizers(configured);
  setRuleResolver(context, (user, namespace) => joinRules(configured, user, namespace));
  const followed: Authorizer = { name: 'Configured', authorize: (attributes) => chain(attributes) };
  return {
    authorizers: [systemMastersAuthorizer, ...(path ? [followed] : configured)],
    admission: [escalationCheck({ index: rbac, context })],
    start(signal) {
      const stops = [rbac.follow(context.read), nodes.follow()];
      signal.addEventListener('abort', () => stops.forEach((stop) => stop()), { once: true });
      if (!path) return;
      const apply = (changed: string): void => {
        configured = authorizersOfFile(changed, needs);
        chain = chainAuthorizers(configured);
      };
      followFile(env, { path, text, apply }, signal);
    },
  };
};
