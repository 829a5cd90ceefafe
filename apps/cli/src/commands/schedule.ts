import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { createRestApiClient } from '@orrery/client';
import { StatusError } from '@orrery/errors';
import { createHttpClient, loadKubeconfig, realEnv } from '@orrery/node-io';
import { ConfigError, silentLogger, timeoutSignal } from '@orrery/runtime';
import { type Explanation, type NodeExplanation, defaultConfiguration, explainPod, readConfiguration } from '@orrery/scheduler/component';
import { dataDir } from '../data-dir.ts';
import { ExitCode, UserError } from '../user-error.ts';

interface ExplainOptions {
  readonly namespace?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly dataDir?: string;
  readonly config: string;
  readonly output: 'table' | 'json';
}

const timeoutMs = 30_000;

/** Rows with columns of equal width. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('   ').trimEnd()).join('\n');
}

const verdict = ({ fits, refusals }: NodeExplanation): string => (fits ? 'fits' : refusals.map(({ plugin, reasons }) => `${plugin}: ${reasons.join(', ')}`).join('; '));

/** One line a node: its weighted scores by plugin, or what refuses it. */
export function explanationText(explanation: Explanation): string {
  const { pod, schedulerName, boundTo, nominatedNode, nodes, chosen, message } = explanation;
  const fitting = nodes.filter(({ fits }) => fits);
  const state = boundTo ? `is on ${boundTo}; without it` : nominatedNode ? `waits for room on ${nominatedNode}` : 'waits';
  const lines = [`Pod ${pod} (${schedulerName}) ${state}: ${fitting.length} of ${nodes.length} nodes fit.`];
  const plugins = fitting[0]?.scores ?? [];
  if (fitting.length) {
    const head = ['NODE', 'TOTAL', ...plugins.map(({ plugin, weight }) => (weight === 1 ? plugin : `${plugin}×${weight}`))];
    lines.push('', table([head, ...fitting.map(({ node, total, scores }) => [node, String(total), ...scores.map(({ score, weight }) => String(score * weight))])]));
  }
  const refused = nodes.filter(({ fits }) => !fits);
  if (refused.length) lines.push('', table([['NODE', 'REFUSED BY'], ...refused.map((node) => [node.node, verdict(node)])]));
  const many = chosen.length > 1 ? `one of ${chosen.join(', ')} (equal scores)` : (chosen[0] ?? '');
  lines.push('', chosen.length ? `Chosen: ${many}` : `None: ${message ?? ''}`);
  return `${lines.join('\n')}\n`;
}

async function explain(name: string, options: ExplainOptions): Promise<void> {
  const env = { ...realEnv({ name: 'schedule' }), log: silentLogger };
  const access = loadKubeconfig(options.kubeconfig ?? (options.dataDir ? undefined : process.env['KUBECONFIG']) ?? dataDir(options.dataDir).kubeconfig, options.context);
  const { server, token, ca, cert, key, insecureSkipTlsVerify, serverName } = access;
  const http = createHttpClient({ server, ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}), ...(insecureSkipTlsVerify ? { insecureSkipTlsVerify } : {}), ...(serverName ? { serverName } : {}) });
  const api = createRestApiClient({ http, env, ...(token ? { token } : {}) });
  try {
    const configuration = readConfiguration(options.config, (path) => readFileSync(path, 'utf8')) ?? defaultConfiguration();
    const namespace = options.namespace ?? access.namespace ?? 'default';
    const explanation = await explainPod(env, { api, configuration, signal: timeoutSignal(env.clock, timeoutMs) }, { namespace, name });
    process.stdout.write(options.output === 'json' ? `${JSON.stringify(explanation, null, 2)}\n` : explanationText(explanation));
    if (explanation.chosen.length === 0) process.exitCode = ExitCode.failed;
  } finally {
    await api.close();
  }
}

export function addSchedule(program: Command): void {
  const schedule = program.command('schedule').description('look into the scheduler');
  schedule
    .command('explain')
    .description('show what each scheduler plugin makes of each node for a pod: refusals, scores, and the node chosen (exit code 1 when there is none)')
    .argument('<pod>', 'name of the pod')
    .option('-n, --namespace <namespace>', 'its namespace; that of the context by default')
    .option('--kubeconfig <file>', 'of any cluster; $KUBECONFIG, or the one of the data directory by default')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--data-dir <dir>', "the cluster's data directory")
    .option('--config <file>', 'KubeSchedulerConfiguration of its scheduler', '')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'))
    .exitOverride()
    .action(async (name: string, options: ExplainOptions) => {
      try {
        await explain(name, options);
      } catch (error) {
        if (error instanceof StatusError || error instanceof ConfigError) throw new UserError(error.message, ExitCode.failed);
        throw error;
      }
    });
}
