import type { ApiClient } from '@orrery/client';
import { type Channel, type GrpcServer, type TlsMaterial, grpcServer } from '@orrery/rpc';
import { type Component, type Env, endsWithin } from '@orrery/runtime';
import { type NetStack, type ServiceRule, createFabric } from '@orrery/vnet';
import { linkService } from './link.ts';
import { membersOnly } from './members-only.ts';
import { createVnetMembership } from './membership.ts';
import { createPeerLinks } from './peers.ts';

export interface OwnSwitchOptions {
  readonly api: ApiClient;
  /** Names the switch among all; of a component that is no node, its own name. */
  readonly name: string;
  /** Its address in the emulated network; two, of IPv4 and of IPv6 with a comma between, in a dual-stack cluster. */
  readonly address: string;
  /** `host:port` to serve Link on; port 0 picks one. */
  readonly listen: string;
  /** `host` that other processes reach it by; default: the host of `listen`. */
  readonly advertiseHost?: string;
  readonly tls?: TlsMaterial;
  connect(endpoint: string): Channel;
}

/** So long the start waits for an API server. */
const patienceMs = 5_000;

export interface OwnSwitch extends Component {
  readonly net: NetStack;
  /** Replaces the rules by which the component itself reaches Services; there are none before. */
  readonly program: (rules: readonly ServiceRule[]) => Promise<void>;
}

/**
 * A switch of a component's own, linked to those of the nodes: how coredns, ingress and the cloud join the emulated network when
 * they are processes of their own.
 */
export function createOwnSwitch(env: Env, options: OwnSwitchOptions): OwnSwitch {
  const { api, name, address, listen, connect } = options;
  const fabric = createFabric(env);
  const addresses = address.split(',');
  const [nodeIp = '', secondIp] = addresses;
  const own = fabric.addSwitch({ node: name, nodeIp, secondIp });
  const links = createPeerLinks({ fabric, clock: env.clock, node: name, connect });
  const membership = createVnetMembership(env, { api, apply: links.setPeers });
  let server: GrpcServer | undefined;
  let serving = false;
  return {
    name: 'vnet',
    net: own.hostStack,
    program: (rules) => own.setServiceRules(rules),
    async start(signal) {
      const link = linkService(fabric, env.clock);
      server = options.tls ? grpcServer([membersOnly(link)], { tls: options.tls, requireClientCert: true }) : grpcServer([link]);
      const port = await server.listen(listen);
      const host = options.advertiseHost || listen.slice(0, listen.lastIndexOf(':'));
      // Without the API server it knows no other switch yet, and nobody knows it; what it serves to others of this machine does not depend on that.
      const known = membership.start(signal);
      const late = (error: unknown): void => void (serving && env.log.error('the switch does not learn of others', { error }));
      if (!(await endsWithin(env.clock, patienceMs, known))) known.catch(late);
      membership.publish({ node: name, addresses, endpoint: `${host}:${port}` });
      serving = true;
    },
    async stop() {
      serving = false;
      membership.stop();
      links.close();
      await server?.stop();
    },
    ready: () => serving,
  };
}
