import { type Peer, SwitchControlDefinition, type ServiceRule as WireRule } from '@orrery/proto/vnet';
import { type Channel, RpcError, type ServedService, createClient, service } from '@orrery/rpc';
import type { Clock } from '@orrery/runtime';
import type { ServiceRule, SwitchControl } from '@orrery/vnet';

export type { Peer } from '@orrery/proto/vnet';

const sessionRetryMs = 200;

function toWire(rule: ServiceRule): WireRule {
  const { match } = rule;
  const where = 'nodePort' in match ? { nodePort: match.nodePort } : { ip: match.ip, port: match.port };
  return {
    ...where,
    protocol: match.protocol,
    service: rule.service,
    backends: [...rule.backends],
    affinitySeconds: rule.affinitySeconds ?? 0,
    dropWhenEmpty: rule.whenEmpty === 'drop',
  };
}

function fromWire(wire: WireRule): ServiceRule {
  const protocol = wire.protocol === 'UDP' ? 'UDP' : 'TCP';
  return {
    match: wire.nodePort ? { nodePort: wire.nodePort, protocol } : { ip: wire.ip ?? '', port: wire.port ?? 0, protocol },
    service: wire.service ?? '',
    backends: (wire.backends ?? []).map(({ ip = '', port = 0 }) => ({ ip, port })),
    ...(wire.affinitySeconds ? { affinitySeconds: wire.affinitySeconds } : {}),
    whenEmpty: wire.dropWhenEmpty ? 'drop' : 'refuse',
  };
}

/** What a switch is told about the switches of other processes. */
export interface PeerControl {
  setPeers(peers: readonly Peer[]): void;
}

/** The SwitchControl service of a node's switch. */
export function switchControlService(target: SwitchControl & PeerControl): ServedService {
  return service(SwitchControlDefinition, {
    async setServiceRules({ rules = [] }) {
      await target.setServiceRules(rules.map(fromWire));
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
      await client.setServiceRules({ rules: rules.map(toWire) });
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
