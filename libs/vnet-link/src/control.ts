import { type Peer, SwitchControlDefinition } from '@orrery/proto/vnet';
import { type Channel, RpcError, type ServedService, createClient, service } from '@orrery/rpc';
import type { Clock } from '@orrery/runtime';
import type { SwitchControl } from '@orrery/vnet';
import { healthPortFromWire, policiesFromWire, policiesToWire, ruleFromWire, ruleToWire, updateFromWire, updateToWire } from './control-wire.ts';

export type { Peer } from '@orrery/proto/vnet';

const sessionRetryMs = 200;

/** What a switch is told about the switches of other processes. */
export interface PeerControl {
  setPeers(peers: readonly Peer[]): void;
}

/** A switch of this process as others program it, and what links it to theirs. */
export function controlTarget(own: SwitchControl, links: PeerControl): SwitchControl & PeerControl {
  return {
    setServiceRules: (rules) => own.setServiceRules(rules),
    updateServices: (updates) => own.updateServices(updates),
    setHealthPorts: (ports) => own.setHealthPorts(ports),
    setPolicies: (policies) => own.setPolicies(policies),
    setPeers: (peers) => links.setPeers(peers),
  };
}

/** The SwitchControl service of a node's switch. */
export function switchControlService(target: SwitchControl & PeerControl): ServedService {
  return service(SwitchControlDefinition, {
    async setServiceRules({ rules = [] }) {
      await target.setServiceRules(rules.map(ruleFromWire));
      return {};
    },
    async updateServices(request) {
      await target.updateServices((request.updates ?? []).map(updateFromWire));
      return {};
    },
    async setHealthPorts({ ports = [] }) {
      await target.setHealthPorts(ports.map(healthPortFromWire));
      return {};
    },
    async setPolicies(request) {
      await target.setPolicies(policiesFromWire(request));
      return {};
    },
    setPeers({ peers = [] }) {
      target.setPeers(peers);
      return Promise.resolve({});
    },
    async *session(_request, { signal }) {
      yield {};
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
  });
}

export interface RemoteSwitchControl extends SwitchControl {
  setPeers(peers: readonly Peer[]): Promise<void>;
  /** Calls back each time a session with the switch begins: it is new, or was restarted, and must be told everything. */
  onSession(begun: () => void): void;
  close(): void;
}

/** Programs a switch in another process. Calls fail with RpcError while it is away: the caller tries again. */
export function remoteSwitchControl(channel: Channel, clock: Clock): RemoteSwitchControl {
  const client = createClient(SwitchControlDefinition, channel);
  const closing = new AbortController();
  const follow = async (begun: () => void): Promise<void> => {
    while (!closing.signal.aborted) {
      try {
        for await (const _event of client.session({}, { signal: closing.signal })) begun();
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
      }
      await clock.sleep(sessionRetryMs);
    }
  };
  return {
    async setServiceRules(rules) {
      await client.setServiceRules({ rules: rules.map(ruleToWire) });
    },
    async updateServices(updates) {
      await client.updateServices({ updates: updates.map(updateToWire) });
    },
    async setHealthPorts(ports) {
      await client.setHealthPorts({ ports: [...ports] });
    },
    async setPolicies(policies) {
      await client.setPolicies(policiesToWire(policies));
    },
    async setPeers(peers) {
      await client.setPeers({ peers: [...peers] });
    },
    onSession: (begun) => void follow(begun),
    close() {
      closing.abort();
      channel.close();
    },
  };
}
