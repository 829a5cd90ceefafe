import { AuthDefinition, Permission_Type } from '@orrery/proto/etcd';
import { createClient, toRpcError } from '@orrery/rpc';
import type { AuthChange } from './history.ts';
import { bytes, isRefusal, record } from './kv-client.ts';
import type { Lab } from './lab.ts';
import type { Host } from './network.ts';

const callTimeoutMs = 4000;
const worker = { user: 'amy', role: 'worker', prefix: 'a/', end: 'a0' };
const keysOfWorker = ['a/0', 'a/1'] as const;

type Step = (auth: ReturnType<typeof authOf>) => Promise<unknown>;
const options = { timeoutMs: callTimeoutMs };

function authOf(lab: Lab, host: Host) {
  const machine = lab.pick(lab.cluster.machines);
  return createClient(AuthDefinition, lab.cluster.channelFrom(host, machine, 'root'));
}

/** Until it is done, or was done by an attempt that nobody heard of: `done` are the words that say so. */
async function insist(lab: Lab, host: Host, { step, done, attempt }: { step: Step; done: string; attempt?: () => (outcome: 'done' | 'refused' | 'unknown') => void }): Promise<void> {
  while (!lab.isEnding) {
    const ended = attempt?.();
    try {
      await step(authOf(lab, host));
      return ended?.('done');
    } catch (error) {
      const { message } = toRpcError(error);
      lab.trace(`${host.name}: ${message}`);
      const isDone = message.includes(done);
      ended?.(isDone ? 'done' : isRefusal(error) ? 'refused' : 'unknown');
      if (isDone) return;
    }
    await lab.time.sleep(20 + lab.random.int(150));
  }
}

const preparations: readonly (readonly [Step, string])[] = [
  [(auth) => auth.userAdd({ name: 'root', options: { noPassword: true } }, options), 'already exists'],
  [(auth) => auth.userAdd({ name: worker.user, options: { noPassword: true } }, options), 'already exists'],
  [(auth) => auth.userGrantRole({ user: 'root', role: 'root' }, options), 'already granted'],
  [(auth) => auth.roleAdd({ name: worker.role }, options), 'already exists'],
  [(auth) => auth.roleGrantPermission({ name: worker.role, perm: { permType: Permission_Type.READWRITE, key: bytes(worker.prefix), rangeEnd: bytes(worker.end) } }, options), 'never'],
];

/** Turns authentication on, and then gives a user her only role and takes it away, until the run ends. Others call as root. */
export async function runAdministrator(lab: Lab): Promise<void> {
  const host = lab.host('administrator');
  const changing = (state: AuthChange['state']) => () => {
    const change: AuthChange = { state, invoked: lab.moment() };
    lab.history.auth.push(change);
    // An attempt whose end nobody knows may come to pass at any time after it.
    return (outcome: 'done' | 'refused' | 'unknown') => {
      if (outcome === 'done') change.returned = lab.moment();
      else if (outcome === 'refused') lab.history.auth.splice(lab.history.auth.indexOf(change), 1);
    };
  };
  for (const [step, done] of preparations) await insist(lab, host, { step, done });
  // She has no role yet.
  await insist(lab, host, { step: (auth) => auth.authEnable({}, options), done: 'never', attempt: changing('forbidden') });
  while (!lab.isEnding) {
    await lab.time.sleep(100 + lab.random.int(1500));
    await insist(lab, host, { step: (auth) => auth.userGrantRole({ user: worker.user, role: worker.role }, options), done: 'already granted', attempt: changing('allowed') });
    await lab.time.sleep(100 + lab.random.int(1500));
    await insist(lab, host, { step: (auth) => auth.userRevokeRole({ name: worker.user, role: worker.role }, options), done: 'not granted', attempt: changing('forbidden') });
  }
}

/** The user whose role comes and goes, writing all the while. */
export async function runWorker(lab: Lab): Promise<void> {
  const host = lab.host(worker.user);
  while (!lab.isEnding) {
    await lab.time.sleep(10 + lab.random.int(150));
    const machine = lab.pick(lab.cluster.machines);
    const clients = lab.cluster.clientsFrom(host, machine, worker.user);
    await record(lab, { client: worker.user, member: machine.name, clients }, { kind: 'put', key: lab.pick(keysOfWorker), value: lab.freshValue(worker.user) }).catch(() => undefined);
  }
}
