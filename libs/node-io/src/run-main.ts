import { readFileSync } from 'node:fs';
import { ProcessFaults } from '@orrery/chaos';
import { type Component, type ConfigOf, type ConfigSchema, type Env, type LogLevel, ConfigError, configHelp, levelOfVerbosity, parseFlags, parseGoDuration, resolveConfig } from '@orrery/runtime';
import { parse as parseYaml } from 'yaml';
import { realEnv } from './env.ts';
import { followFaultsFile } from './faults-file.ts';
import { stopSignal, whenAborted } from './stop-signal.ts';

/** How much a program logs. */
export const logSchema = {
  logLevel: { type: 'string', default: 'info', choices: ['debug', 'info', 'warn', 'error'], help: 'least severe level that is logged' },
  v: { type: 'number', default: 0, help: 'verbosity as klog counts it: 4 and more logs what --log-level=debug does' },
} as const satisfies ConfigSchema;

export const logLevelOf = ({ logLevel, v }: ConfigOf<typeof logSchema>): LogLevel => (levelOfVerbosity(v) === 'debug' ? 'debug' : (logLevel as LogLevel));

/** Settings of every program. */
const mainSchema = {
  config: { type: 'string', default: '', help: 'YAML or JSON file with the settings below, keys in camelCase' },
  ...logSchema,
  clockOffset: { type: 'string', default: '0s', help: 'how far this program takes the time to be ahead of what it is, such as 1h or -30s: to try what a wrong clock does' },
  faultsFile: { type: 'string', default: '', help: 'file that says what is wrong with this program (its clock, its disk …), for experiments; read anew when it is replaced. Default: $ORRERY_FAULTS_FILE' },
} as const satisfies ConfigSchema;

export interface Main<S extends ConfigSchema> {
  /** Program name, as in logs and help. */
  readonly name: string;
  /** One line for --help. */
  readonly summary: string;
  readonly schema: S;
  /** The settings that the text of the `--config` file comes to, for programs whose file has a form of its own. Throws ConfigError. */
  readonly readConfig?: (text: string) => Record<string, unknown>;
  /** `faults`: what is wrong with this program, as `--faults-file` says. */
  create(context: { env: Env; config: ConfigOf<S>; faults: ProcessFaults }): Promise<Component> | Component;
}

function readConfigFile(path: string, read: Main<ConfigSchema>['readConfig']): Record<string, unknown> {
  try {
    const text = readFileSync(path, 'utf8');
    return read ? read(text) : ((parseYaml(text) ?? {}) as Record<string, unknown>);
  } catch (error) {
    throw new ConfigError(`cannot read --config ${path}: ${(error as Error).message}`);
  }
}

function offsetMs(text: string): number {
  try {
    return parseGoDuration(text);
  } catch (error) {
    throw new ConfigError(`--clock-offset: ${(error as Error).message}`);
  }
}

function settings<S extends ConfigSchema>({ schema, readConfig }: Pick<Main<S>, 'schema' | 'readConfig'>, argv: readonly string[]): { config: ConfigOf<S>; logLevel: LogLevel; clockOffsetMs: number; faultsFile: string } {
  const all = { ...mainSchema, ...schema };
  const flags = parseFlags(all, argv);
  // A program with a `config` of its own reads a file of another form.
  const ownConfig = 'config' in schema;
  const file = !ownConfig && typeof flags['config'] === 'string' && flags['config'] ? readConfigFile(flags['config'], readConfig) : {};
  const { config: path, logLevel, v, clockOffset, faultsFile, ...own } = resolveConfig(all, [file, flags]) as ConfigOf<typeof mainSchema>;
  return { config: (ownConfig ? { ...own, config: path } : own) as unknown as ConfigOf<S>, logLevel: logLevelOf({ logLevel, v }), clockOffsetMs: offsetMs(clockOffset), faultsFile: faultsFile || (process.env['ORRERY_FAULTS_FILE'] ?? '') };
}

/** What a supervisor that started the program with an IPC channel is told. */
export interface MainMessage {
  readonly type: 'ready';
}

/**
 * Runs one component as a program: flags, config file, `--help`, real clock and signals. Exit codes: 0 after a clean
 * stop, 1 when the component fails, 2 for bad usage.
 */
export async function runMain<S extends ConfigSchema>(main: Main<S>, argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(`${main.name}: ${main.summary}\n\nFlags:\n${configHelp({ ...mainSchema, ...main.schema })}\n`);
    return;
  }
  try {
    const { config, logLevel, clockOffsetMs, faultsFile } = settings(main, argv);
    const faults = new ProcessFaults();
    const env = realEnv({ name: main.name, level: logLevel, ...(faultsFile || clockOffsetMs ? { clockOffsetMs: () => clockOffsetMs + faults.clockOffsetMs } : {}) });
    if (faultsFile) followFaultsFile(faultsFile, { faults, log: env.log });
    process.on('unhandledRejection', (error) => env.log.error('unhandled rejection', { error }));
    const signal = stopSignal();
    const component = await main.create({ env, config, faults });
    await Promise.race([component.start(signal), whenAborted(signal)]);
    if (!signal.aborted) {
      env.log.info('ready');
      process.send?.({ type: 'ready' } satisfies MainMessage);
      const reason = await Promise.race([whenAborted(signal), component.ended ?? whenAborted(signal)]);
      if (reason !== undefined) env.log.info('ended', { reason });
    }
    if (signal.aborted) env.log.info('stopping', { reason: (signal.reason as Error).message });
    await component.stop();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${main.name}: ${error instanceof ConfigError ? error.message : ((error as Error).stack ?? String(error))}\n`);
    process.exit(error instanceof ConfigError ? 2 : 1);
  }
}
