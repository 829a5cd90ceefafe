import { AuthDefinition, WatchDefinition, type RangeRequest, type WatchRequest } from '@orrery/proto/etcd';
import { Raft, type RaftOptions } from '@orrery/raft';
import type { Channel } from '@orrery/rpc';
import type { Disk, DiskFile } from '@orrery/runtime';

/** What a planted bug puts in the place of the real thing. The store itself knows nothing of it. */
export interface Bug {
  /** What it is, for people. */
  readonly title: string;
  readonly disk?: (disk: Disk) => Disk;
  readonly newRaft?: (options: RaftOptions) => Raft;
  /** The services of a member as its clients reach them. */
  readonly services?: (channel: Channel) => Channel;
}

/** Every so many syncs, one is done. */
const hastySyncs = 10;

/** Says that a file is on disk long before it is: whoever relies on it acknowledges too early. */
function hastyDisk(disk: Disk): Disk {
  let syncs = 0;
  const hasty = (file: DiskFile): DiskFile => ({
    get size() {
      return file.size;
    },
    append: (chunks) => file.append(chunks),
    sync: async () => (++syncs % hastySyncs === 0 ? file.sync() : undefined),
    truncate: (size) => file.truncate(size),
    close: () => file.close(),
  });
  return { ...disk, open: async (path, how) => hasty(await disk.open(path, how)) };
}

/** A leader that takes an entry of any term for committed once a majority has it (figure 8 of the Raft paper). */
function countingRaft(options: RaftOptions): Raft {
  const raft = new Raft(options);
  const step = raft.step.bind(raft);
  raft.step = (message) => {
    step(message);
    const { role, configuration, progress } = raft.status;
    if (role !== 'leader') return;
    const reached = configuration.voters.map((voter) => progress.get(voter)?.match ?? 0).sort((a, b) => b - a);
    const index = reached[Math.floor(reached.length / 2)] ?? 0;
    raft.log.committed = Math.max(raft.log.committed, Math.min(index, raft.log.stable));
  };
  return raft;
}

function intercept(channel: Channel, calls: Record<string, (input: never) => unknown>): Channel {
  return {
    call: (definition, method, input, options) => channel.call(definition, method, calls[method.name]?.(input as never) ?? input, options),
    close: () => channel.close(),
  };
}

/** Says that a call was carried out, and does nothing. */
function answer(channel: Channel, name: string): Channel {
  return { call: (definition, method, input, options) => (method.name === name ? Promise.resolve({}) : channel.call(definition, method, input, options)), close: () => channel.close() };
}

/** A watch that resumes at a revision begins with what comes next instead. */
async function* forgetful(requests: AsyncIterable<WatchRequest>): AsyncIterable<WatchRequest> {
  for await (const request of requests) {
    const union = request.requestUnion;
    if (union?.$case === 'createRequest' && (union.value.startRevision ?? 0) > 1) yield { requestUnion: { $case: 'createRequest', value: { ...union.value, startRevision: 0 } } };
    else yield request;
  }
}

/** Bugs that the simulation must find. */
export const bugs = {
  acknowledgeBeforeFsync: { title: 'a write is acknowledged before it is on disk', disk: hastyDisk },
  commitByCount: { title: 'an entry of an older term is committed by counting', newRaft: countingRaft },
  noPreVote: { title: 'a member that comes back deposes the leader', newRaft: (options) => new Raft({ ...options, preVote: false }) },
  watchDropsOnReconnect: { title: 'a watch that resumes misses what came between', services: (channel) => intercept(channel, { [WatchDefinition.methods.watch.name]: forgetful }) },
  keepsRoles: { title: 'a role that was taken away is kept', services: (channel) => answer(channel, AuthDefinition.methods.userRevokeRole.name) },
  staleRead: { title: 'a linearizable read asks nobody', services: (channel) => intercept(channel, { Range: (request: RangeRequest) => ({ ...request, serializable: true }) }) },
} as const satisfies Record<string, Bug>;

export type BugName = keyof typeof bugs;
