import { InvalidArgumentError, type Command } from 'commander';
import { DisksDefinition, InstancesDefinition, LoadBalancersDefinition, OperationsDefinition, RoutesDefinition, ScalingGroupsDefinition } from '@orrery/proto/cloud';
import { clusterServerName, loadKubeconfig } from '@orrery/node-io';
import { type Channel, Code, RpcError, createClient, grpcChannel } from '@orrery/rpc';
import { ExitCode, UserError } from '../user-error.ts';
import { requireRunning } from './running.ts';

const timeoutMs = 30_000;
const gib = 2 ** 30;

type Row = readonly (string | number | undefined)[];

function print(head: Row, rows: readonly Row[]): void {
  const cells = [head, ...rows].map((row) => row.map((cell) => String(cell ?? '')));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  process.stdout.write(cells.map((row) => `${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('   ').trimEnd()}\n`).join(''));
}

function whole(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('a whole number is needed.');
  return Number(text);
}

const words = (text: string): string[] => text.split(',').filter(Boolean);

function labelsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new UserError(`--label: ${text} is not key=value`, ExitCode.usage);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function codeOf(text: string): number {
  const code = (Code as Readonly<Record<string, number>>)[text.toUpperCase()];
  if (code === undefined) throw new InvalidArgumentError(`it is none of ${Object.keys(Code).join(', ')}.`);
  return code;
}

/** Calls the cloud of the cluster that runs on a data directory, as its administrator. */
async function asking(dataDir: string | undefined, work: (cloud: Channel) => Promise<void>): Promise<void> {
  const { dir, state } = requireRunning(dataDir);
  const address = state.endpoints['cloud'];
  if (!address) throw new UserError('this cluster has no cloud', ExitCode.failed);
  const { ca = '', cert = '', key = '' } = loadKubeconfig(dir.kubeconfig);
  const cloud = grpcChannel(address, { tls: { ca, cert, key }, serverName: clusterServerName });
  try {
    await work(cloud);
  } catch (error) {
    throw error instanceof RpcError ? new UserError(error.message) : error;
  } finally {
    await cloud.close();
  }
}

type Asking = (work: (cloud: Channel) => Promise<void>) => Promise<void>;
const call = { timeoutMs };

function addLists(cloud: Command, ask: Asking): void {
  const list = (name: string, description: string, work: (channel: Channel) => Promise<void>): void => void cloud.command(name).description(description).action(() => ask(work));
  list('instances', 'list machines', async (channel) => {
    const { instances = [] } = await createClient(InstancesDefinition, channel).list({}, call);
    print(['NAME', 'ID', 'STATE', 'TYPE', 'ZONE', 'ADDRESS', 'GROUP'], instances.map((one) => [one.name, one.id, one.state, one.type, one.zone, [one.privateIp, one.privateIpv6].filter(Boolean).join(), one.scalingGroup]));
  });
  list('groups', 'list scaling groups', async (channel) => {
    const { groups = [] } = await createClient(ScalingGroupsDefinition, channel).list({}, call);
    print(['NAME', 'MIN', 'MAX', 'DESIRED', 'INSTANCES', 'TYPE', 'PROBLEM'], groups.map((one) => [one.name, one.min ?? 0, one.max ?? 0, one.desired ?? 0, one.instanceIds?.length ?? 0, one.instanceType, one.problem]));
  });
  list('disks', 'list disks', async (channel) => {
    const { disks = [] } = await createClient(DisksDefinition, channel).list({}, call);
    print(['NAME', 'ID', 'GIB', 'TYPE', 'ZONE', 'ATTACHED TO', 'DEVICE'], disks.map((one) => [one.name, one.id, (one.sizeBytes ?? 0) / gib, one.type, one.zone, one.attachedTo, one.device]));
  });
  list('snapshots', 'list snapshots of disks', async (channel) => {
    const { snapshots = [] } = await createClient(DisksDefinition, channel).listSnapshots({}, call);
    print(['NAME', 'ID', 'GIB', 'DISK'], snapshots.map((one) => [one.name, one.id, (one.sizeBytes ?? 0) / gib, one.diskId]));
  });
  list('balancers', 'list load balancers and their listeners', async (channel) => {
    const { loadBalancers = [] } = await createClient(LoadBalancersDefinition, channel).list({}, call);
    const rows = loadBalancers.flatMap(({ name, address, specification, bandwidthMbps, listeners = [] }) => {
      const about = [name, address, specification, bandwidthMbps || 'unlimited'];
      const told = listeners.map(({ spec, health = [], hostEndpoint, error }) => [...about, `${spec?.protocol} ${spec?.port}`, spec?.scheduler, `${health.filter(({ healthy }) => healthy).length}/${spec?.targets?.length ?? 0}`, hostEndpoint, error]);
      return told.length ? told : [about];
    });
    print(['NAME', 'ADDRESS', 'SPEC', 'MBIT/S', 'LISTENER', 'SCHEDULER', 'HEALTHY', 'HERE AT', 'PROBLEM'], rows);
  });
  list('routes', 'list the route table', async (channel) => {
    const { routes = [] } = await createClient(RoutesDefinition, channel).list({}, call);
    print(['NAME', 'DESTINATION', 'NODE', 'NEXT HOPS', 'BLACK HOLE'], routes.map((one) => [one.name, one.destinationCidr, one.targetNode, one.nextHops?.join(), one.blackhole ? 'yes' : 'no']));
  });
  list('quotas', 'list quotas', async (channel) => {
    const { quotas = [] } = await createClient(OperationsDefinition, channel).listQuotas({}, call);
    print(['RESOURCE', 'USED', 'LIMIT'], quotas.map((one) => [one.resource, one.used ?? 0, one.limit ?? 0]));
  });
}

interface GroupOptions {
  readonly min: number;
  readonly max: number;
  readonly desired: number;
  readonly type: string;
  readonly zones: readonly string[];
  readonly label: readonly string[];
}

const gathered = (text: string, before: readonly string[]): string[] => [...before, text];

function addGroups(cloud: Command, ask: Asking): void {
  const group = cloud.command('group').description('scaling groups: their instances become nodes (single layout)');
  group
    .command('put')
    .description('make a group, or change it; instances that are there stay as they are')
    .argument('<name>')
    .option('--min <number>', 'least size', whole, 0)
    .option('--max <number>', 'greatest size', whole, 10)
    .option('--desired <number>', 'size now', whole, 0)
    .option('--type <type>', 'o1.small, o1.medium, o1.large, o1.xlarge, o1.2xlarge', '')
    .option('--zones <a,b>', 'zones to spread over; default: all', words, [])
    .option('--label <key=value>', 'a label of its instances and nodes; repeatable', gathered, [])
    .action((name: string, { type, zones, label, ...sizes }: GroupOptions) =>
      ask(async (channel) => {
        const { desired = 0 } = await createClient(ScalingGroupsDefinition, channel).put({ name, ...sizes, instanceType: type, zones: [...zones], labels: labelsOf(label) }, call);
        process.stdout.write(`group/${name} has ${desired} instances\n`);
      }),
    );
  group
    .command('scale')
    .description('give it another size; the newest instances go first')
    .argument('<name>')
    .argument('<size>', 'number of instances', whole)
    .action((name: string, desired: number) =>
      ask(async (channel) => {
        const { problem } = await createClient(ScalingGroupsDefinition, channel).setDesired({ name, desired }, call);
        process.stdout.write(`group/${name} scaled to ${desired}${problem ? `: ${problem}` : ''}\n`);
      }),
    );
  group
    .command('delete')
    .description('terminate its instances')
    .argument('<name>')
    .action((name: string) => ask(async (channel) => void (await createClient(ScalingGroupsDefinition, channel).delete({ name }, call), process.stdout.write(`group/${name} deleted\n`))));
}

function addInstances(cloud: Command, ask: Asking): void {
  const instance = cloud.command('instance').description('machines: each that runs is a node (single layout)');
  instance
    .command('create')
    .argument('<name>', 'also the name of its node')
    .option('--type <type>', 'o1.small, o1.medium, o1.large, o1.xlarge, o1.2xlarge', '')
    .option('--zone <zone>', 'default: the one with the fewest', '')
    .option('--label <key=value>', 'repeatable', gathered, [])
    .action((name: string, { type, zone, label }: { type: string; zone: string; label: readonly string[] }) =>
      ask(async (channel) => {
        const { id } = await createClient(InstancesDefinition, channel).create({ name, type, zone, labels: labelsOf(label) }, call);
        process.stdout.write(`instance/${name} created (${id})\n`);
      }),
    );
  for (const verb of ['start', 'stop', 'terminate'] as const) {
    instance
      .command(verb)
      .argument('<name...>')
      .action((names: string[]) =>
        ask(async (channel) => {
          const instances = createClient(InstancesDefinition, channel);
          for (const name of names) {
            await instances[verb]({ name }, call);
            process.stdout.write(`instance/${name}: ${verb}\n`);
          }
        }),
      );
  }
}

interface FaultOptions {
  readonly code?: number;
  readonly message: string;
  readonly latencyMs: number;
  readonly count: number;
  readonly percent: number;
  readonly clear?: true;
}

function addOperations(cloud: Command, ask: Asking): void {
  cloud
    .command('quota')
    .description('set a limit')
    .argument('<resource>', 'as `orrery cloud quotas` names them')
    .argument('<limit>', '', whole)
    .action((resource: string, limit: number) => ask(async (channel) => void (await createClient(OperationsDefinition, channel).setQuota({ resource, limit }, call), process.stdout.write(`${resource}: at most ${limit}\n`))));
  cloud
    .command('fault')
    .description('make calls of the cloud fail or take long; without arguments, list what is planted')
    .argument('[method]', 'Disks/Attach, Disks/*, *')
    .option('--code <code>', 'gRPC status, UNAVAILABLE', codeOf)
    .option('--message <text>', '', 'planted failure')
    .option('--latency-ms <number>', 'delay', whole, 0)
    .option('--count <number>', 'gone after so many calls; 0: stays', whole, 0)
    .option('--percent <number>', 'part of the calls', whole, 100)
    .option('--clear', 'take it away; without method: all')
    .action((method: string | undefined, { clear, code = 0, ...rest }: FaultOptions) =>
      ask(async (channel) => {
        const operations = createClient(OperationsDefinition, channel);
        if (clear) await operations.clearFaults({ method: method ?? '' }, call);
        else if (method !== undefined) await operations.setFault({ method, code, ...rest }, call);
        const { faults = [] } = await operations.listFaults({}, call);
        const name = (value: number): string => Object.entries(Code).find(([, one]) => one === value)?.[0] ?? String(value);
        print(['METHOD', 'CODE', 'DELAY', 'CALLS LEFT', 'PERCENT', 'MESSAGE'], faults.map((one) => [one.method, name(one.code ?? 0), `${one.latencyMs ?? 0} ms`, one.count || 'all', one.percent || 100, one.message]));
      }),
    );
}

/** `orrery cloud …`: the emulated cloud as its operator sees it. */
export function addCloud(program: Command): void {
  const cloud = program.command('cloud').description('look at the emulated cloud and order things from it').option('--data-dir <dir>', "the cluster's data directory");
  const ask: Asking = (work) => asking(cloud.opts<{ dataDir?: string }>().dataDir, work);
  addLists(cloud, ask);
  addGroups(cloud, ask);
  addInstances(cloud, ask);
  addOperations(cloud, ask);
}
