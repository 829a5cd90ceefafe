import { type Peer, SwitchControlDefinition } from '@orrery/proto/vnet';
import { type Channel, Code, RpcError, type ServedService, createClient, service } from '@orrery/rpc';
import type { Clock } from '@orrery/runtime';
import { silentLogger, type Logger } from '@orrery/runtime';
import type { NetStack, SwitchControl } from '@orrery/vnet';
import { healthPortFromWire, policiesFromWire, policiesToWire, ruleFromWire, ruleToWire, updateFromWire, updateToWire } from './control-wire.ts';
import { type PagesAt, answerPages, askForPages } from './pages.ts';

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

/** The SwitchControl service of a node's switch; `host` is where others may have pages of theirs. */
export function switchControlService(target: SwitchControl & PeerControl, { host, log = silentLogger }: { host?: NetStack; log?: Pick<Logger, 'warn'> } = {}): ServedService {
  let ends = new AbortController();
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
    servePages(replies, { signal }) {
      if (!host) throw new RpcError(Code.UNIMPLEMENTED, 'this switch is no node');
      // Who comes anew takes the place of who may not be known to have gone.
      ends.abort();
      ends = new AbortController();
      return askForPages(host, replies, { signal: AbortSignal.any([signal, ends.signal]), log });
    },
    async *session(_request, { signal }) {
      yield {};
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
  });
}

export interface RemoteSwitchControl extends SwitchControl {
  setPeers(peers: readonly Peer[]): Promise<void>;
  /** Answers on ports of the node until the switch is gone; to be called with each session. */
  servePages(at: readonly PagesAt[]): void;
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
    servePages: (at) => void answerPages((replies) => client.servePages(replies, { signal: closing.signal }), at),
    onSession: (begun) => void follow(begun),
    close() {
      closing.abort();
      channel.close();
    },
  };
}
