import { PeerDefinition } from '@orrery/proto/raft';
import type { Message } from '@orrery/raft';
import { type CallContext, type ServedService, Code, RpcError, service } from '@orrery/rpc';
import { etcdError } from '../errors.ts';
import type { Member } from '../member.ts';
import { metadataKeys, removedMessage } from './links.ts';
import type { Replica } from './replica.ts';
import { fromWire } from './wire.ts';

/** What the other members call. `running` is undefined until this member takes part. */
export function peerService(member: Member, running: () => Replica | undefined): ServedService {
  const replicaFor = ({ metadata }: CallContext): { replica: Replica; from: string } => {
    const replica = running();
    if (!replica) throw etcdError('stopped');
    if (metadata[metadataKeys.cluster] !== member.identity.clusterId) throw new RpcError(Code.FAILED_PRECONDITION, 'etcdserver: cluster ID mismatch');
    const from = metadata[metadataKeys.member] ?? '';
    if (replica.log.membership.isRemoved(from)) throw new RpcError(Code.FAILED_PRECONDITION, removedMessage);
    return { replica, from };
  };
  const leading = async (context: CallContext): Promise<Replica> => {
    const { replica } = replicaFor(context);
    await replica.requireLeadership();
    return replica;
  };
  return service(PeerDefinition, {
    exchange: async function* (batches, context) {
      const { replica, from } = replicaFor(context);
      yield* replica.log.links.accept(from, batches, context.signal);
    },
    installSnapshot: async (chunks, context) => {
      const { replica } = replicaFor(context);
      let message: Message | undefined;
      const data: Uint8Array[] = [];
      for await (const chunk of chunks) {
        if (chunk.message) message = fromWire(chunk.message);
        if (chunk.data?.length) data.push(chunk.data);
      }
      if (message?.type !== 'snapshot') throw new RpcError(Code.INVALID_ARGUMENT, 'etcdserver: a snapshot without its message');
      // A sender that broke off is no end of the stream.
      if (context.signal.aborted) throw new RpcError(Code.CANCELLED, 'etcdserver: the snapshot is not whole');
      replica.log.receiveSnapshot(message, data);
      return {};
    },
    describe: async () => {
      const replica = running();
      if (!replica) throw etcdError('stopped');
      // As this member knows it: with the one that asks there may be no majority yet to confirm it.
      const members = replica.members().map(({ id, name, peerURLs, clientURLs, isLearner }) => ({ id, name, peerUrls: [...peerURLs], clientUrls: [...clientURLs], isLearner }));
      return { clusterId: member.identity.clusterId, members };
    },
    renewLease: async ({ id = '0' }, context) => {
      await leading(context);
      return { seconds: await member.renewLease(id) };
    },
    getLeaseTime: async ({ id = '0' }, context) => {
      await leading(context);
      return { seconds: member.leaseClock.remaining(id) };
    },
    promoteMember: async ({ id = '0' }, context) => {
      await (await leading(context)).promoteHere(id);
      return {};
    },
  });
}
