import { InvalidArgumentError, type Command } from 'commander';
import { QuantityError, parseQuantity } from '@orrery/apimachinery';
import { askCluster } from '../control/client.ts';
import type { NodeRequest } from '../single/added-nodes.ts';
import { ExitCode, UserError } from '../user-error.ts';
import { requireRunning } from './running.ts';

interface AddOptions {
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: number;
  readonly label: readonly string[];
  readonly taint: readonly string[];
  readonly zone?: string;
  readonly region?: string;
  readonly count: number;
}

function quantity(text: string): string {
  try {
    parseQuantity(text);
    return text;
  } catch (error) {
    if (error instanceof QuantityError) throw new InvalidArgumentError(`${JSON.stringify(text)} is no quantity such as 4, 500m or 16Gi.`);
    throw error;
  }
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('a number from 1 is needed.');
  return Number(text);
}

const more = (pattern: RegExp, form: string) => (text: string, before: readonly string[]): string[] => {
  if (!pattern.test(text)) throw new InvalidArgumentError(`${JSON.stringify(text)} is not ${form}.`);
  return [...before, text];
};

function socketOf(dir: string | undefined): string {
  const { state } = requireRunning(dir);
  if (!state.control) throw new UserError('this cluster does not take orders about its nodes', ExitCode.failed);
  return state.control;
}

/** `orrery node add|remove`: machines that come and go while the cluster runs. */
export function addNode(program: Command): void {
  const node = program.command('node').description('add nodes to a running cluster, or take them away').option('--data-dir <dir>', 'the cluster\'s data directory');
  const order = (body: NodeRequest): Promise<unknown> => askCluster(socketOf(node.opts<{ dataDir?: string }>().dataDir), { path: '/nodes', body });
  node
    .command('add')
    .description('add a node; it comes back when the cluster is started again')
    .argument('[name]', 'default: node-N')
    .option('--cpu <quantity>', 'CPU capacity', quantity)
    .option('--memory <quantity>', 'memory capacity', quantity)
    .option('--pods <number>', 'how many pods it takes', whole)
    .option('--label <key=value>', 'a label; repeatable', more(/^[^=]+=[^=]*$/, 'key=value'), [])
    .option('--taint <key=value:effect>', 'a taint; repeatable', more(/^[^:=]+(=[^:]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$/, 'key=value:effect'), [])
    .option('--zone <zone>', 'topology.kubernetes.io/zone')
    .option('--region <region>', 'topology.kubernetes.io/region')
    .option('--count <number>', 'so many of them, without a name', whole, 1)
    .action(async (name: string | undefined, { label, taint, zone, region, count, ...amounts }: AddOptions) => {
      if (name !== undefined && count > 1) throw new UserError('--count is for nodes without a name', ExitCode.usage);
      const labels = [...label, ...(zone ? [`topology.kubernetes.io/zone=${zone}`] : []), ...(region ? [`topology.kubernetes.io/region=${region}`] : [])];
      for (let i = 0; i < count; i++) {
        const { name: added } = (await order({ action: 'add', node: { ...(name === undefined ? {} : { name }), ...amounts, labels, taints: taint } })) as { name: string };
        process.stdout.write(`node/${added} added\n`);
      }
    });
  node
    .command('remove')
    .description('switch a node off and delete it; what ran on it is lost')
    .argument('<name...>')
    .action(async (names: string[]) => {
      for (const name of names) {
        await order({ action: 'remove', name });
        process.stdout.write(`node/${name} removed\n`);
      }
    });
}
