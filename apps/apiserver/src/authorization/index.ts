import { clusterRoles } from '../bootstrap/cluster-roles.ts';
import type { Authorizer, PluginFactory } from '../pipeline/index.ts';
import { escalationCheck } from './escalation.ts';
import { NodeIndex } from './node-index.ts';
import { nodeAuthorizer } from './node.ts';
import { rbacAuthorizer } from './rbac.ts';
import { rbacIndexOf } from './rbac-index.ts';
import { alwaysAllowAuthorizer, systemMastersAuthorizer } from './system-masters.ts';

/** The authorizers that `--authorization-mode` names, after the one for system:masters; indexes start with the server. */
export const authorizationPlugin: PluginFactory = (context) => {
  const rbac = rbacIndexOf(context);
  const nodes = new NodeIndex(context.read);
  const nodeRole = clusterRoles.find((role) => role.name === 'system:node');
  const known: Record<string, Authorizer> = {
    AlwaysAllow: alwaysAllowAuthorizer,
    Node: nodeAuthorizer({ index: nodes, read: context.read, rules: nodeRole?.rules ?? [] }),
    RBAC: rbacAuthorizer(rbac),
  };
  const modes = context.config.authorizationMode.split(',').map((mode) => {
    const authorizer = known[mode.trim()];
    if (!authorizer) throw new Error(`unknown --authorization-mode ${mode}; known: ${Object.keys(known).join(', ')}`);
    return authorizer;
  });
  const usesRbac = modes.some(({ name }) => name === 'RBAC');
  return {
    authorizers: [systemMastersAuthorizer, ...modes],
    admission: usesRbac ? [escalationCheck({ index: rbac, context })] : [],
    start(signal) {
      const stops = [rbac.follow(context.read), nodes.follow()];
      signal.addEventListener('abort', () => stops.forEach((stop) => stop()), { once: true });
    },
  };
};
