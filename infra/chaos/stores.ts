import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterServerName } from '@orrery/node-io';
import { AlarmRequest_AlarmAction as AlarmAction, MaintenanceDefinition } from '@orrery/proto/etcd';
import { type Channel, createClient, grpcChannel } from '@orrery/rpc';
import { eventually } from '@orrery/testkit';

/** The members of the store of a cluster, asked as etcd's clients ask. */
export interface Stores {
  /** `store-2`: whom a majority follows; waits until there is one. */
  leader(): Promise<string>;
  moveLeader(to: string): Promise<void>;
  /** Names of members with an alarm on. */
  alarms(): Promise<string[]>;
  disarm(): Promise<void>;
  close(): void;
}

interface Member {
  readonly name: string;
  readonly channel: Channel;
}

/** `addresses` as `cluster.json` has them: host:port of each member, in order of their names. */
export function storesOf({ dataDir, addresses }: { readonly dataDir: string; readonly addresses: string }): Stores {
  const pem = (name: string): string => readFileSync(join(dataDir, 'pki/components', name), 'utf8');
  const tls = { ca: pem('ca.crt'), cert: pem('apiserver.crt'), key: pem('apiserver.key') };
  const members: Member[] = addresses.split(',').map((address, index) => ({ name: `store-${index + 1}`, channel: grpcChannel(address, { tls, serverName: clusterServerName }) }));
  const of = ({ channel }: Member) => createClient(MaintenanceDefinition, channel);
  const statuses = async () => {
    const asked = members.map(async (member) => ({ member, status: await of(member).status({}, { timeoutMs: 5_000 }) }));
    return (await Promise.allSettled(asked)).flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  };
  const leading = async (): Promise<Member | undefined> => {
    const found = await statuses();
    const votes = found.map(({ status }) => status.leader ?? '0');
    const leader = found.find(({ status }) => votes.filter((vote) => vote !== '0' && vote === status.header?.memberId).length * 2 > members.length);
    return leader?.member;
  };
  const leader = (): Promise<Member> => eventually(async () => (await leading()) ?? false, { what: 'the stores have a leader', withinMs: 60_000, everyMs: 100 });
  return {
    leader: async () => (await leader()).name,
    async moveLeader(to) {
      const target = (await statuses()).find(({ member }) => member.name === to);
      if (!target?.status.header?.memberId) throw new Error(`${to} does not answer`);
      await of(await leader()).moveLeader({ targetID: target.status.header.memberId }, { timeoutMs: 10_000 });
    },
    async alarms() {
      const ids = new Map((await statuses()).map(({ member, status }) => [status.header?.memberId ?? '', member.name]));
      const { alarms = [] } = await of(await leader()).alarm({ action: AlarmAction.GET }, { timeoutMs: 5_000 });
      return alarms.map(({ memberID = '' }) => ids.get(memberID) ?? memberID);
    },
    disarm: async () => void (await of(await leader()).alarm({ action: AlarmAction.DEACTIVATE }, { timeoutMs: 10_000 })),
    close: () => members.forEach(({ channel }) => channel.close()),
  };
}
