import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { realEnv, stopSignal, whenAborted } from '@orrery/node-io';
import { apiServerHealth } from '../balancer/api-server-health.ts';
import { createBalancer } from '../balancer/balancer.ts';

interface BalanceOptions {
  readonly listen: string;
  readonly servers: string;
  readonly ca: string;
  readonly reusePort: boolean;
}

async function balance(options: BalanceOptions): Promise<void> {
  const { clock, log } = realEnv({ name: 'balancer' });
  const stop = stopSignal();
  const balancer = createBalancer({ listen: options.listen, servers: options.servers.split(','), check: apiServerHealth(readFileSync(options.ca, 'utf8')), reusePort: options.reusePort, clock, log });
  const port = await balancer.start();
  log.info('ready', { port, servers: options.servers });
  process.send?.({ type: 'ready' });
  const drained = new Promise<void>((resolve) => {
    process.once('SIGUSR2', () => {
      log.info('draining');
      void balancer.drain().then(resolve);
    });
  });
  await Promise.race([whenAborted(stop), drained]);
  await balancer.stop();
  process.exit(0);
}

export function addBalance(program: Command): void {
  program
    .command('balance')
    .description('spread TCP connections over API servers that answer /readyz (used by clusters of several)')
    .requiredOption('--listen <host:port>', 'where clients connect')
    .requiredOption('--servers <list>', 'host:port of each API server, with commas')
    .requiredOption('--ca <file>', 'authority of the certificates of the API servers')
    .option('--reuse-port', 'listen beside another that does, too: one that takes over, or goes. At SIGUSR2 it takes no new connections, and ends when those it has do', false)
    .action(balance);
}
