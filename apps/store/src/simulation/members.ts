import type { Lab } from './lab.ts';

const callTimeoutMs = 8000;
const mostMachines = 6;

/** Adds a learner and starts it, promotes one, or takes a member out. What comes of it is found out afterwards. */
export function changeMembers(lab: Lab): void {
  const host = lab.host('operator');
  const work = async (): Promise<void> => {
    const { machine, clients } = lab.connect(host);
    const options = { timeoutMs: callTimeoutMs };
    const { members = [] } = await clients.cluster.memberList({ linearizable: true }, options);
    const learner = members.find(({ isLearner }) => isLearner);
    const voters = members.filter(({ isLearner }) => !isLearner);
    if (learner) {
      lab.trace(`FAULT member ${learner.ID} is to vote, says ${machine.name}`);
      await clients.cluster.memberPromote({ ID: learner.ID ?? '0' }, options);
    } else if (voters.length > 2 && lab.chance(50)) {
      const { ID = '0', name = '' } = lab.pick(voters);
      lab.trace(`FAULT member ${name} is to go, says ${machine.name}`);
      await clients.cluster.memberRemove({ ID }, options);
      lab.trace(`member ${name} is out`);
    } else if (lab.cluster.machines.length < mostMachines) await addLearner(lab, clients, options);
  };
  lab.changes += 1;
  work()
    .catch((error: unknown) => lab.trace(`the change of members: ${(error as Error).message}`))
    .finally(() => (lab.changes -= 1));
}

async function addLearner(lab: Lab, clients: ReturnType<Lab['connect']>['clients'], options: { timeoutMs: number }): Promise<void> {
  const name = `m${lab.cluster.machines.length + 1}`;
  const others = lab.cluster.machines.map((machine) => `${machine.name}=${machine.name}:2380`);
  const fresh = lab.cluster.add(name, { listenPeer: [`${name}:2380`], initialCluster: [`${name}=${name}:2380`, ...others], initialClusterState: 'existing' });
  lab.trace(`FAULT member ${name} is to come`);
  // Started whatever comes of it: should it be unknown to the cluster it says so and ends.
  try {
    await clients.cluster.memberAdd({ peerURLs: [fresh.url], isLearner: true }, options);
  } finally {
    if (!fresh.process) lab.cluster.start(fresh);
  }
}
